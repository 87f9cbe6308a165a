from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from pricebench.cli import main
from pricebench.errors import PricebenchError
from pricebench.server.answers import Answer
from pricebench.server.listening import ServeError, listen
from pricebench.server.request_log import RequestLog
from pricebench.server.settings import Settings
from pricebench.server.token_file import TokenError, read_token
from tests.server import HOUSE, served
from tests.test_extras import run_without

TOKEN = "a-token-of-32-letters-and-digits"  # noqa: S105


def pricebench(*arguments):
    with redirect_stderr(io.StringIO()) as said, pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code, " ".join(said.getvalue().replace("│", " ").split())


def test_help_needs_no_torch_and_no_server():
    code = (
        "import sys\nfrom pricebench.cli import main\ntry: main(['serve', '--help'])\n"
        "except SystemExit: print([m for m in ('torch', 'numpy', 'uvicorn', 'msgspec') if m in sys.modules])"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.splitlines()[-1] == "[]"
    assert "--token-file" in result.stdout


def test_the_supervisor_imports_no_torch():
    code = "import sys, pricebench.server.supervisor, pricebench.server.token_file; print('torch' in sys.modules)"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "False"


@pytest.mark.parametrize("package", ["torch", "uvicorn", "httptools", "uvloop", "msgspec", "prometheus_client"])
def test_without_its_packages_it_says_which_extra(package, tmp_path):
    code = f"import importlib.util as u; f = u.find_spec; u.find_spec = lambda n: None if n == {package!r} else f(n)\n"

    result = run_without(
        package, code=code + "from pricebench.cli import main; main()", arguments=["serve"], cwd=tmp_path
    )

    extra = "torch" if package == "torch" else "serve"
    assert result.returncode == 2
    assert result.stderr == (
        f"pricebench: serve needs {package}, which is not installed. Install it: pip install 'pricebench[{extra}]'.\n"
    )


def test_a_folder_without_a_model_and_an_unknown_mode_are_one_sentence_and_exit_code_2(folder, tmp_path):
    with served(tmp_path / "none", wait=False) as nothing, served(folder, "--mode", "egaer", wait=False) as unknown:
        for server in (nothing, unknown):
            server.heard(r"\(the end\)")
            assert server.process.wait(timeout=10) == 2

    (said,) = [line for line in nothing.lines if line.startswith("pricebench: ")]
    assert said.startswith(f"pricebench: {tmp_path / 'none'}/model.pt: expected a pricebench.model file, found none.")
    (said,) = [line for line in unknown.lines if line.startswith("pricebench: ")]
    assert said.startswith("pricebench: No execution mode is called 'egaer'. Did you mean 'eager'")


def test_a_taken_port_is_one_sentence_and_exit_code_2(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        code, said = pricebench("serve", "--artifacts", folder, "--port", port)

    found = f"expected port {port} of 127.0.0.1 to be free, found: address already in use"
    assert (code, said) == (2, f"pricebench: {found}. Give another with --port.")


@pytest.mark.parametrize(
    "options",
    [
        ("--workers", 0),
        ("--threads", 0),
        ("--port", 70_000),
        ("--grace", "soon"),
        ("--deadline", "0"),
        ("--rows", 0),
        ("--connections", 0),
    ],
)
def test_a_wrong_option_is_a_usage_error(options):
    code, said = pricebench("serve", *options)

    assert code == 2
    assert options[0] in said


# ---- who may ask ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_another_address_needs_a_token(host):
    with pytest.raises(ServeError, match=r"can be asked from elsewhere, so a token is needed: give --token-file FILE"):
        listen(Settings(host=host, port=0))


@pytest.mark.parametrize("settings", [{"token": TOKEN}, {"insecure": True}])
def test_with_a_token_or_when_it_is_said_another_address_is_listened_on(settings):
    listen(Settings(host="0.0.0.0", port=0, **settings)).close()  # noqa: S104


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_this_machines_own_addresses_need_none(host):
    listen(Settings(host=host, port=0)).close()


def test_an_address_that_is_none_is_said():
    with pytest.raises(ServeError, match=r"expected an address to listen on, found --host nowhere\.invalid"):
        listen(Settings(host="nowhere.invalid", port=0))


@pytest.mark.parametrize("text", ["", "short", "a token of many words", "é" * 20, "x" * 20 + "\n" + "y" * 20])
def test_a_token_that_could_be_guessed_or_mistyped_is_refused(tmp_path, text):
    path = tmp_path / "token"
    path.write_text(text)

    with pytest.raises(TokenError, match="expected a token of at least 16 letters and digits"):
        read_token(path)


def test_a_token_is_read_without_the_newline_behind_it(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")

    assert read_token(path) == TOKEN


def test_a_token_file_that_is_missing_is_one_sentence(tmp_path):
    code, said = pricebench("serve", "--token-file", tmp_path / "none")

    assert code == 2
    assert said == f"pricebench: {tmp_path / 'none'}: No such file or directory."


def test_a_server_with_a_token_shows_it_nowhere(folder, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    with served(folder, "--token-file", tmp_path / "token", "--log", tmp_path / "log") as server:
        assert server.price(HOUSE).status == 401
        assert server.price(HOUSE, authorization=f"Bearer {TOKEN}").status == 200
        for pid in [server.process.pid, *_children(server.process.pid)]:
            for file in ("cmdline", "environ"):
                assert TOKEN.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()
        assert server.end() == 0
        said = "\n".join(server.lines)

    assert TOKEN not in said
    assert "Bearer TOKEN" in said
    assert TOKEN not in (tmp_path / "log").read_text()
    assert TOKEN not in repr(Settings(token=TOKEN))


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_settings_come_back_from_their_text(tmp_path):
    settings = Settings(artifacts=tmp_path, mode="fx", workers=3, token=TOKEN, log="-", watch=True)

    assert Settings.from_json(settings.to_json()) == settings


def test_lines_of_the_log_can_go_to_stdout(capfd):
    RequestLog.open("-", 0).write("POST", "/v1/price", Answer(b"", num_houses=1), 0.25)

    line = json.loads(capfd.readouterr().out)
    assert (line["path"], line["status"], line["houses"], line["seconds"]) == ("/v1/price", 200, 1, 0.25)


def test_a_log_that_cannot_be_written_ends_it(folder, tmp_path):
    with served(folder, "--log", tmp_path, wait=False) as server:
        server.heard(r"pricebench: .*: Is a directory\.$")

        assert server.process.wait(timeout=10) == 2


def test_errors_are_pricebenchs():
    assert issubclass(ServeError, PricebenchError)
    assert issubclass(TokenError, PricebenchError)

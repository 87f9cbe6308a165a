"""A page as the browser would get it, and what it says."""

from __future__ import annotations

import re

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash


def _script(arguments):
    from pricebench.dashboard.app import main  # noqa: PLC0415 - AppTest runs this body as a script of its own

    main(arguments)


def opened(tmp_path, path, options=(), **query):
    """A page as the browser would get it from this address, of a dashboard that was started with these options."""
    arguments = [f"--reports={tmp_path / 'reports'}", f"--artifacts={tmp_path / 'artifacts'}", *options]
    app = AppTest.from_function(_script, args=(arguments,), default_timeout=60)
    # AppTest can only name pages that are files.
    app._page_hash = calc_hash(path)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def markdown(app):
    """Everything that is said in words, as the browser gets it."""
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.success, app.title, app.subheader)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def texts(app):
    """The same, as a person reads it."""
    return markdown(app).replace("\\", "") + "".join(element.value for element in app.code)


def unescaped_marks(app):
    """Every mark in the page's words that could begin markup and is not escaped."""
    return re.findall(r"(?<!\\)(?:<|\[|\*\*|`|\$)", markdown(app))

"""A gate report as JUnit XML: a failure for what blocks the merge, skipped for what is undecided."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from pricebench.files import atomic_write
from pricebench.gate.judge import Verdict
from pricebench.gate.report import Finding, Report

# What XML 1.0 cannot hold, not even escaped.
_UNSPEAKABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(report: Report, path: Path, line_of: dict[str, str]) -> None:
    """Write the file.

    Args:
        report: What was found.
        path: Where to.
        line_of: By benchmark what a person reads of it.
    """
    suite = ET.Element("testsuite", name="pricebench gate", timestamp=report.started, time=f"{report.seconds:.1f}")
    for finding in report.findings:
        _add(suite, finding, line_of[finding.benchmark])
    for number, sentence in enumerate(report.structure, 1):
        case = ET.SubElement(suite, "testcase", classname="structure", name=f"structure {number}")
        ET.SubElement(case, "failure", type="structure", message=_text(sentence))
    for number, sentence in enumerate(report.unchecked, 1):
        case = ET.SubElement(suite, "testcase", classname="structure", name=f"unchecked structure {number}")
        ET.SubElement(case, "error", type="unchecked", message=_text(sentence))
    control = ET.SubElement(suite, "testcase", classname="gate", name="the planted slowdown is seen")
    if report.is_blind:
        ET.SubElement(control, "error", type="blind", message="the gate is blind")
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    root = ET.Element("testsuites")
    root.append(suite)
    with atomic_write(path) as file:
        ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _add(suite: ET.Element, finding: Finding, line: str) -> None:
    file, _, name = finding.benchmark.partition("::")
    case = ET.SubElement(suite, "testcase", classname=_text(file), name=_text(name or file))
    if finding.head is not None:
        case.set("time", f"{finding.head:.9f}")
    if finding.blocks_merge:
        ET.SubElement(case, "failure", type=str(finding.verdict), message=_text(line))
    elif finding.verdict is Verdict.UNDECIDED:
        ET.SubElement(case, "skipped", message=_text(line))


def _text(words: str) -> str:
    return _UNSPEAKABLE.sub("?", words)

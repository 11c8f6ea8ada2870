"""What a host says of a day is checked before anything rests on it; what to download is decided from it alone."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.durability import watched
from tests.operator.pull.conftest import DAYS, Lake, contents

from harvester.base.errors import ConfigError, HarvesterError
from harvester.lake.layout import Partition
from harvester.lake.manifest import FileEntry, encode_manifest
from runbook.pull.manifests import install, kind_of, parse
from runbook.pull.plan import Selection, bytes_wanted, parse_selection, parse_symbols

SHA = "ab" * 32
REMEDY = (
    "Nothing of that day was taken from it. Run `harvester verify` where it came from and do what that"
    " says; then `./inv pull-data` downloads it."
)


def refusal(lake: Lake, *files: FileEntry) -> str:
    """What is said of a manifest with these files."""
    content = encode_manifest(replace(lake.read().manifest, files=files))
    with pytest.raises(HarvesterError) as caught:
        parse(content, lake.manifest_path())
    return str(caught.value)


def test_a_manifest_is_the_days_that_it_lies_in(day: Lake) -> None:
    found = day.read()
    assert (found.date, found.host, found.path) == (DAYS[0], "lab1", day.manifest_path())
    assert found.partition == Partition(DAYS[0], "lab1")
    assert found.content == (day.root / day.manifest_path()).read_bytes()
    assert [file.path for file in found.files] == [day.path(kind) for kind in ("certificate", "depth", "gaps", "raw")]
    assert [kind_of(file) for file in found.files] == ["certificate", "depth", "gaps", "raw"]


@pytest.mark.parametrize(
    "path",
    [
        "manifest.json",
        "../date=2026-11-17/host=lab1/manifest.json",
        "depth/date=2026-11-17/host=lab1/manifest.json",
        "manifest/date=2026-11-17/host=lab1/manifest-1.json",
        "manifest/date=2026-11-31/host=lab1/manifest.json",
        "manifest/date=2026-11-17/host=LAB1/manifest.json",
        "manifest/x/date=2026-11-17/host=lab1/manifest.json",
    ],
)
def test_a_manifest_elsewhere_is_none(day: Lake, path: str) -> None:
    with pytest.raises(HarvesterError) as caught:
        parse(day.read().content, path)
    why = "it does not lie where the layout puts manifests"
    assert str(caught.value) == f"{path} is not a usable manifest: {why}. {REMEDY}"


def test_the_manifest_of_another_place_is_not_believed(day: Lake) -> None:
    content = day.read().content
    for other in (day.manifest_path(DAYS[1]), day.manifest_path().replace("lab1", "lab2")):
        with pytest.raises(HarvesterError, match=f"^{other} is not a usable manifest: "):
            parse(content, other)


@pytest.mark.parametrize("cut", [0, 1, 200, -2])
def test_a_manifest_that_is_cut_or_altered_is_refused(day: Lake, cut: int) -> None:
    content = day.read().content
    with pytest.raises(HarvesterError, match="is not a usable manifest"):
        parse(content[:cut], day.manifest_path())
    with pytest.raises(HarvesterError, match="is not a usable manifest"):
        parse(content.replace(b'"rows"', b'"raws"'), day.manifest_path())
    with pytest.raises(HarvesterError, match="is not a usable manifest"):
        parse(b"[" * 100_000, day.manifest_path())


@pytest.mark.parametrize(
    ("kind", "name", "usable"),
    [
        ("depth", "a" * 201, True),
        ("depth", "a" * 202, False),
        ("quotes", "a.parquet", True),
        ("raw", "-a", False),
        ("raw", ".a", False),
        ("raw", "a b", False),
        ("raw", "é", False),
        ("raw", "a\n", False),
        ("manifest", "a", False),
        ("superseded", "a", False),
    ],
)
def test_only_plain_files_of_known_kinds_are_files(day: Lake, kind: str, name: str, usable: bool) -> None:
    file = FileEntry((day.partition(DAYS[0]).path(kind) / name).as_posix(), 1, SHA, 1)
    if usable:
        content = encode_manifest(replace(day.read().manifest, files=(file,)))
        assert parse(content, day.manifest_path()).files == (file,)
        return
    said = refusal(day, file)
    assert said == (
        f"{day.manifest_path()} is not a usable manifest: it lists {file.path[:120]!r}, which is no file "
        f"of a lake. {REMEDY}"
    )


@pytest.mark.parametrize(
    ("size", "sha256"),
    [
        (-1, SHA),
        (True, SHA),
        (1.0, SHA),
        ("1", SHA),
        (1, ""),
        (1, "AB" * 32),
        (1, SHA + "0"),
        (1, SHA[1:]),
        (1, SHA + "\n"),
    ],
)
def test_a_size_or_hash_that_is_none_is_refused(day: Lake, size: int, sha256: str) -> None:
    said = refusal(day, FileEntry(day.path("raw"), size, sha256, 1))
    why = f"size or hash of {day.path('raw')} is not one"
    assert said == f"{day.manifest_path()} is not a usable manifest: {why}. {REMEDY}"
    content = encode_manifest(replace(day.read().manifest, files=(FileEntry(day.path("raw"), 0, SHA, 1),)))
    assert parse(content, day.manifest_path()).files[0].bytes == 0


def test_a_manifest_is_installed_as_it_came_and_the_one_before_is_kept(day: Lake, tmp_path: Path) -> None:
    lake = tmp_path / "here"
    lake.mkdir()
    folder = day.partition(DAYS[0]).path("manifest").as_posix()
    first = day.read()
    with watched(lake):
        install(first, lake)
    assert contents(lake) == {f"{folder}/manifest.json": first.content}
    install(first, lake)
    assert len(contents(lake)) == 1
    day.reseal()
    second = day.read()
    with watched(lake) as disk:
        install(second, lake)
    assert contents(lake) == {f"{folder}/manifest-1.json": first.content, f"{folder}/manifest.json": second.content}
    [replaced] = [
        event for event in disk.log if event.startswith("replace ") and event.endswith(" " + day.manifest_path())
    ]
    assert disk.first(f"durable {folder}/manifest-1.json") < disk.first(replaced)
    (lake / folder / "manifest.json").write_bytes(first.content)
    install(second, lake)
    assert contents(lake)[f"{folder}/manifest-1.json"] == first.content, "a number that is taken stays as it is"


def test_a_manifest_in_place_is_not_written_again(day: Lake, tmp_path: Path) -> None:
    install(day.read(), tmp_path)
    before = (tmp_path / day.manifest_path()).stat().st_ino
    install(day.read(), tmp_path)
    assert (tmp_path / day.manifest_path()).stat().st_ino == before


def test_a_damaged_manifest_here_is_not_kept(day: Lake, tmp_path: Path) -> None:
    target = tmp_path / "here" / day.manifest_path()
    target.parent.mkdir(parents=True)
    target.write_text("{")
    install(day.read(), tmp_path / "here")
    assert contents(tmp_path / "here") == {day.manifest_path(): day.read().content}


def test_a_selection_has_both_its_ends(day: Lake) -> None:
    ends = Selection(DAYS[1], DAYS[2])
    assert [ends.includes(each) for each in DAYS] == [False, True, True, False]
    assert [Selection(since=DAYS[2]).includes(each) for each in DAYS] == [False, False, True, True]
    assert [Selection(until=DAYS[2]).includes(each) for each in DAYS] == [True, True, True, False]
    assert Selection().includes(DAYS[0])
    assert [kind_of(file) for file in Selection().files(day.read())] == ["certificate", "depth", "gaps"]
    assert Selection(raw=True).files(day.read()) == list(day.read().files)


def test_a_selection_is_what_was_typed() -> None:
    assert parse_selection(None, None, raw=True) == Selection(raw=True)
    assert parse_selection("", "", raw=False) == Selection()
    one = date(2026, 11, 17)
    assert parse_selection("2026-11-17", "2026-11-17", raw=False) == Selection(one, one)
    with pytest.raises(ConfigError) as caught:
        parse_selection("2026-11-18", "2026-11-17", raw=False)
    assert str(caught.value) == ("--since 2026-11-18 is after --until 2026-11-17, so no day is left. Exchange them.")
    for given, option in ((("x", None), "--since"), ((None, "x"), "--until")):
        with pytest.raises(ConfigError, match=option):
            parse_selection(*given, raw=False)


def test_symbols_are_typed_as_a_list() -> None:
    assert parse_symbols(" nse:sbin-eq, ,NSE:INFY-EQ,NSE:SBIN-EQ,") == ("NSE:SBIN-EQ", "NSE:INFY-EQ")
    assert parse_symbols(None) == parse_symbols("") == ()


def test_bytes_are_counted_for_each_path() -> None:
    assert bytes_wanted([FileEntry(path, 3, SHA, 1) for path in "ab"]) == 6
    assert bytes_wanted([]) == 0

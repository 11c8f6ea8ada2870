"""The parts of the lab that need no host: archives, package lists, layers, claims, refusals."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import claims, machine, overlay, state
from lab.base.mirrors import Archive, match_archive
from lab.base.suites import find_suite, role_packages
from lab.claims import LabClaim
from lab.errors import LabError, LabUsageError

DEBIAN = {
    ("http://archive.example/debian", "bookworm", "main"),
    ("http://archive.example/debian", "bookworm-updates", "main"),
    ("http://archive.example/debian-security", "bookworm-security", "main"),
}


def test_debian_archive_is_found_among_third_parties_that_reuse_its_code_name() -> None:
    third_parties = {("https://a.example/repo", "bookworm", "main"), ("https://b.example/repo", "bookworm", "stable")}

    found = match_archive(DEBIAN | third_parties, "debian")

    assert found == Archive("http://archive.example/debian", "http://archive.example/debian-security")


def test_archive_of_one_distribution_is_not_taken_for_the_other() -> None:
    assert match_archive(DEBIAN, "ubuntu") is None


def test_ubuntu_archive_serves_its_own_security_updates() -> None:
    address = "http://archive.example/ubuntu"
    entries = {(address, release, "main") for release in ("noble", "noble-updates", "noble-security")}

    assert match_archive(entries, "ubuntu") == Archive(address, address)


def test_packages_come_from_every_role(root: Path) -> None:
    assert {"chrony", "fail2ban", "python3-venv"} <= set(role_packages(root))


def test_role_without_a_plain_package_list_is_named(tmp_path: Path) -> None:
    for role in ("host_baseline", "host_hardening", "harvester"):
        (tmp_path / "roles" / role / "defaults").mkdir(parents=True)
        (tmp_path / "roles" / role / "defaults" / "main.yml").write_text(f"{role}_packages: [chrony]\n")
    (tmp_path / "roles/harvester/defaults/main.yml").write_text("harvester_packages: '{{ other }}'\n")

    with pytest.raises(LabError, match="harvester_packages"):
        role_packages(tmp_path)


def test_unknown_suite_names_the_known_ones() -> None:
    with pytest.raises(LabUsageError, match="trixie, bookworm, noble"):
        find_suite("sid")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_files_of_a_layer_take_owner_and_mode_of_the_tree_below(tmp_path: Path) -> None:
    home = tmp_path / "base/home/ubuntu"
    home.mkdir(parents=True)
    home.chmod(0o750)
    os.chown(home, 1000, 1000)
    layer = overlay.Layer(tmp_path / "base", tmp_path / "host")
    layer.make()

    layer.write("home/ubuntu/.ssh/authorized_keys", "key\n", 0o600)

    written = layer.upper / "home/ubuntu/.ssh/authorized_keys"
    assert (written.stat().st_uid, written.stat().st_mode & 0o777) == (1000, 0o600)
    assert ((layer.upper / "home/ubuntu").stat().st_uid, (layer.upper / "home/ubuntu").stat().st_mode & 0o777) == (
        1000,
        0o750,
    )
    assert (layer.upper / "home").stat().st_uid == 0


def test_claim_of_a_dead_maker_is_abandoned_until_it_is_ready(tmp_path: Path) -> None:
    claim = LabClaim(number=1, state=tmp_path)

    assert not claim.is_abandoned()
    assert claim.model_copy(update={"maker_start": 1}).is_abandoned()
    assert not claim.model_copy(update={"maker_start": 1, "ready": True}).is_abandoned()
    assert claim.model_copy(update={"ready": True, "boot_id": "before the last reboot"}).is_abandoned()
    assert claim.model_copy(update={"ready": True, "state": tmp_path / "gone"}).is_abandoned()


def test_folder_is_removed_only_with_its_marker(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "calendar.json").write_text("{}")

    assert not state.remove_folder(folder)
    state.refuse_foreign_folder(folder)
    state.make_folder(folder)
    assert state.remove_folder(folder)
    assert not folder.exists()


def test_without_root_the_error_says_what_works_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(LabError, match=r"needs root.*inv demo --here"):
        machine.require_lab_machine()


def test_commands_that_take_the_lock_beside_each_other_never_meet_half_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "SCRATCH", tmp_path / "scratch")

    def come_and_go(_: int) -> None:
        claims.find_hosts()
        with claims.locked():
            assert claims.free_number("labs") == claims.LAB_NUMBERS[0]

    with ThreadPoolExecutor(4) as commands:
        list(commands.map(come_and_go, range(400)))

    assert list(tmp_path.iterdir()) == []


def test_empty_folder_is_removed_only_when_a_claim_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()

    assert not state.remove_folder(folder)
    assert state.remove_folder(folder, claimed=True)
    assert not folder.exists()

    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    assert not state.remove_folder(folder, claimed=True)
    assert (folder / "thesis.tex").exists()

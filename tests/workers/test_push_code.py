"""Code goes to its remote, and secrets do not, wherever in the commits they lie."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester import cli
from harvester.jobs import code
from harvester.jobs.code import Secret, find_secrets

SECRETS = {
    "key.txt": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "aws.py": "key = '" + "AKIA" + "A" * 16 + "'",
    "google.py": "token = ya29" + "." + "x" * 30,
    "hub.sh": "export T=ghp" + "_" + "a" * 36,
    "bot.json": '{"bot": "' + "123456789:" + "A" * 35 + '"}',
    "conf.py": 'API_TOKEN = "' + "abcdef0123456789" + '"',
    "conf.yml": "db_password: '" + "correct-horse-battery" + "'",
}


class Checkout:
    """A checkout with a remote of its own, both made here."""

    def __init__(self, root: Path) -> None:
        self.folder, self.remote = root / "code", root / "remote.git"
        subprocess.run(["git", "init", "-q", "--bare", str(self.remote)], check=True)
        subprocess.run(["git", "init", "-q", "-b", "main", str(self.folder)], check=True)
        self.git("remote", "add", "origin", str(self.remote))
        self.commit("train.py", "print('hello')  # token = None\npassword = os.environ['PASSWORD']\n")

    def git(self, *words: str) -> str:
        names = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        command = ["git", "-C", str(self.folder), *names, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True, parents=True)
        (self.folder / name).write_text(text + "\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name)

    def pushed(self) -> str:
        command = ["git", "-C", str(self.remote), "rev-parse", "-q", "--verify", "refs/heads/main"]
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_code_is_pushed_and_again_and_the_remote_has_it(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["push-code", str(checkout.folder)]) == 0
    checkout.commit("b.py", "x = 1")
    assert cli.run(["push-code", str(checkout.folder)]) == 0
    assert checkout.pushed() == checkout.git("rev-parse", "HEAD")
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"main at {checkout.git('rev-parse', '--short', 'HEAD')} is in origin"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_not_pushed_and_its_value_is_not_said(
    name: str, checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run(["push-code", str(checkout.folder)])
    before = checkout.pushed()
    checkout.commit(f"deep/{name}", SECRETS[name])
    assert cli.run(["push-code", str(checkout.folder)]) == 1
    said = capsys.readouterr().err
    assert f"deep/{name} of commit {checkout.git('rev-parse', 'HEAD')[:10]} has a" in said
    assert said.endswith(
        ". Take it out of every commit that the remote lacks, and give the secret a new value where it was elsewhere"
        " already.\n"
    )
    assert SECRETS[name][-12:-1] not in said
    assert checkout.pushed() == before


def test_a_secret_that_a_later_commit_removed_would_be_pushed_too(checkout: Checkout) -> None:
    checkout.commit("a.py", SECRETS["aws.py"])
    checkout.commit("a.py", "x = 1")
    assert cli.run(["push-code", str(checkout.folder)]) == 1
    assert checkout.pushed() == ""


def test_a_secret_that_the_remote_has_already_holds_no_other_commit_back(checkout: Checkout) -> None:
    checkout.commit("a.py", SECRETS["aws.py"])
    checkout.git("push", "-q", "origin", "main")
    checkout.commit("b.py", "x = 1")
    assert cli.run(["push-code", str(checkout.folder)]) == 0
    assert checkout.pushed() == checkout.git("rev-parse", "HEAD")


def test_a_secret_of_a_branch_that_was_merged_is_found(checkout: Checkout) -> None:
    checkout.git("checkout", "-q", "-b", "side")
    checkout.commit("side.py", SECRETS["hub.sh"])
    checkout.git("checkout", "-q", "main")
    checkout.commit("main.py", "x = 1")
    checkout.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    assert cli.run(["push-code", str(checkout.folder)]) == 1


@pytest.mark.parametrize(
    "name", [".env", "config/gdrive_credentials.json", "rclone.conf", "id_ed25519", "x.pem", "ä b/id_rsa"]
)
def test_a_file_that_holds_secrets_by_its_name_is_not_pushed(name: str, checkout: Checkout) -> None:
    checkout.commit(name, "nothing")
    assert cli.run(["push-code", str(checkout.folder)]) == 1


def test_what_is_no_checkout_or_has_no_such_remote_is_said(
    checkout: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([str(tmp_path)], [str(tmp_path / "none")], [str(checkout.folder), "--remote", "other"]):
        assert cli.run(["push-code", *words]) == 1
        assert "Correct the folder, its remote or its key" in capsys.readouterr().err


def test_a_secret_is_named_with_its_commit_and_file_by_its_name_and_by_its_value() -> None:
    log = ["commit 1a", "+++ b/.env", "+x = 1", "commit 2b", '+++ "b/key.txt"', f"+{SECRETS['key.txt']}"]

    named, told = find_secrets(iter(log))

    assert named == Secret("1a", ".env", "a name that secrets have") and told[:2] == ("2b", "key.txt")


@pytest.mark.parametrize("before", ["++ ", "-- x\n++ ", "50 %\rdone\r", "a\rcommit \r"])
def test_a_secret_behind_what_looks_like_a_line_of_git_itself_is_not_pushed(
    before: str, checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a patch that is checked in, or in a log with a bar of progress: its lines end with carriage returns."""
    cli.run(["push-code", str(checkout.folder)])
    pushed = checkout.pushed()
    checkout.commit("run.log", f"{before}{SECRETS['conf.yml']}")

    assert cli.run(["push-code", str(checkout.folder)]) == 1
    assert f"run.log of commit {checkout.git('rev-parse', 'HEAD')[:10]} has a password" in capsys.readouterr().err
    assert checkout.pushed() == pushed


@pytest.fixture
def git_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a script be the git of this machine."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def be(script: str) -> None:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "git").chmod(0o755)

    return be


def test_what_a_remote_says_in_other_letters_than_ours_is_said_as_far_as_it_can_be_read(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hook of the remote, whose bytes git passes on as they come."""
    hook = checkout.remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nprintf 'refus\\351\\n' >&2\nexit 1\n")
    hook.chmod(0o755)

    assert cli.run(["push-code", str(checkout.folder)]) == 1
    assert "git push failed: error: failed to push some refs" in capsys.readouterr().err


def test_git_asks_nobody_for_a_password_and_speaks_english(
    checkout: Checkout, git_is: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever runs this is not there: a password that is asked for would keep the job waiting for its whole limit."""
    asks = 'echo "$GIT_TERMINAL_PROMPT, $GIT_SSH_COMMAND, $LC_ALL" >&2; exit 1'
    long = "printf '%0300d' 0 >&2; exit 1"
    for script, said in ((asks, "0, ssh -oBatchMode=yes, C"), ("exit 1", "it said nothing"), (long, "0" * 240)):
        git_is(script)
        assert cli.run(["push-code", str(checkout.folder)]) == 1
        assert f"{checkout.folder}: git symbolic-ref failed: {said}. Correct" in capsys.readouterr().err


def test_a_remote_that_does_not_answer_is_given_up(
    checkout: Checkout,
    git_is: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    git_is("exec sleep 600")
    monkeypatch.setattr(code, "SECONDS", 0.05)
    assert cli.run(["push-code", str(checkout.folder)]) == 1
    assert "git symbolic-ref was ended after 0.05 s. Is the remote reachable?" in capsys.readouterr().err


def test_without_git_and_of_a_folder_that_is_no_checkout_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert cli.run(["push-code", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path}: git " in said and " failed: fatal: not a git repository" in said
    assert "Correct the folder, its remote or its key." in said

    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.run(["push-code", str(tmp_path)]) == 2
    assert "git cannot be run (No such file or directory). Install it." in capsys.readouterr().err

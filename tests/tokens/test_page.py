"""The token page: one login by one link, and nothing for anybody else."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests.tokens.pages import KEY, Page, Phone, event

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.page.html import HEADERS
from harvester.page.links import LINK_SECONDS, STATE_SECONDS, LinkError, LinkSigner, LoginLink
from harvester.page.once import Budget, FolderOnce, Once, SsmOnce
from harvester.tokens.stores import StoreError

HOUR_NS = 3600 * NS_PER_SECOND


@pytest.fixture
def page(tmp_path: Path, app: dict[str, str], reachable: dict[str, str]) -> Page:
    return Page(tmp_path, app)


@pytest.fixture
def phone(exchange: Path, page: Page) -> Phone:
    return Phone(exchange, page.answer)


def test_a_link_becomes_a_login_becomes_a_stored_token(page: Page, phone: Phone) -> None:
    done = phone.log_in(page.link())

    assert done["statusCode"] == 200, done["body"]
    assert "Done, valid until 06:30" in done["body"]
    assert "XX00000" in done["body"]
    [grant] = page.kept
    assert grant.access_token.get_secret_value().count(".") == 2
    assert grant.refresh_token is not None


def test_no_secret_is_in_the_page_its_headers_or_its_log(page: Page, phone: Phone, app: dict[str, str]) -> None:
    link = page.link()
    begun = phone.get(link)
    back = phone.sign_in(begun["headers"]["Location"])
    done = phone.get(back)

    code = parse_qs(urlsplit(back).query)["auth_code"][0]
    token = page.kept[0].access_token.get_secret_value()
    shown = json.dumps([done, page.said, begun["body"]])
    for secret in (code, token, app["secret"], KEY.get_secret_value(), link.partition("l=")[2]):
        assert secret not in shown


def test_previews_of_the_message_do_not_use_the_link_up(page: Page, phone: Phone) -> None:
    link = page.link()
    for number in range(3):
        assert page.answer(event(link, ip=f"198.51.100.{number}"))["statusCode"] == 303

    assert phone.log_in(link)["statusCode"] == 200


def test_a_link_counts_once(page: Page, phone: Phone, exchange: Path) -> None:
    link = page.link()
    phone.log_in(link)

    again, other = phone.get(link), Phone(exchange, page.answer).get(link)

    assert (again["statusCode"], other["statusCode"]) == (403, 403)
    assert "was used" in again["body"]
    assert len(page.kept) == 1


def test_two_logins_by_one_link_store_one_token(page: Page, exchange: Path) -> None:
    link = page.link()
    phones = [Phone(exchange, page.answer) for _ in range(2)]
    backs = [phone.sign_in(phone.get(link)["headers"]["Location"]) for phone in phones]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda pair: pair[0].get(pair[1]), zip(phones, backs, strict=True)))

    assert sorted(answer["statusCode"] for answer in answers) == [200, 403]
    assert len(page.kept) == 1


def test_a_double_click_on_the_way_back_stores_one_token(page: Page, phone: Phone) -> None:
    back = phone.sign_in(phone.get(page.link())["headers"]["Location"])

    answers = [phone.get(back)["statusCode"] for _ in range(3)]

    assert answers == [200, 403, 403]
    assert len(page.kept) == 1


def test_a_login_that_failed_at_the_store_is_not_taken_up_again_by_its_redirect(page: Page, phone: Phone) -> None:
    """The broker's code counts once; the link leads to a login anew."""
    back = phone.sign_in(phone.get(page.link())["headers"]["Location"])
    page.trouble = StoreError("SSM is down")
    assert phone.get(back)["statusCode"] == 502
    page.trouble = None

    again = phone.get(back)

    assert (again["statusCode"], page.kept) == (403, [])
    assert "This login was used already" in again["body"]


def test_a_login_begun_in_another_browser_is_refused(page: Page, phone: Phone, exchange: Path) -> None:
    """Login CSRF: somebody brings a victim to the end of a login of their own."""
    attacker = Phone(exchange, page.answer)
    back = attacker.sign_in(attacker.get(page.link())["headers"]["Location"])

    assert phone.get(back)["statusCode"] == 403
    assert "another browser" in phone.get(back)["body"]
    assert page.kept == []


def test_a_login_of_another_account_is_refused_and_the_link_lives(
    tmp_path: Path, app: dict[str, str], exchange: Path, reachable: dict[str, str]
) -> None:
    page = Page(tmp_path, app, account="AB12345")
    phone, link = Phone(exchange, page.answer), page.link()

    answer = phone.log_in(link)

    assert answer["statusCode"] == 502
    assert "of account XX00000, and the harvester records as AB12345" in answer["body"]
    assert page.kept == []
    assert phone.get(link)["statusCode"] == 303


def test_a_store_that_is_down_costs_the_login_and_not_the_link(page: Page, phone: Phone) -> None:
    link = page.link()
    page.trouble = StoreError("SSM parameter /x: AWS is being asked too often. Try again in a minute.")

    failed = phone.log_in(link)
    page.trouble = None

    assert failed["statusCode"] == 502
    assert "Try again in a minute" in failed["body"]
    assert phone.log_in(link)["statusCode"] == 200


def test_what_cannot_be_tidied_up_does_not_deny_a_stored_token(
    page: Page, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise StoreError("SSM is being asked too often")

    monkeypatch.setattr(page.service.once, "tidy", down)

    assert "Done, valid until" in phone.log_in(page.link())["body"]
    assert len(page.kept) == 1
    assert any("asked too often" in line for line in page.said)


def test_a_link_that_cannot_be_released_does_not_hide_why_the_login_failed(
    page: Page, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise StoreError("SSM is down")

    monkeypatch.setattr(page.service.once, "release", down)
    page.trouble = StoreError("the parameter is too long")

    answer = phone.log_in(page.link())

    assert answer["statusCode"] == 502
    assert "the parameter is too long" in answer["body"]


def test_a_person_who_says_no_at_the_broker_is_told_so(page: Page, phone: Phone) -> None:
    state = parse_qs(urlsplit(phone.get(page.link())["headers"]["Location"]).query)["state"][0]
    words = urlencode({"s": "error", "code": "400", "message": "<b>user denied</b>", "state": state})

    answer = phone.get(f"{page.redirect_uri}?{words}")

    assert answer["statusCode"] == 502
    assert "&lt;b&gt;user denied&lt;/b&gt;" in answer["body"]


def tampered(page: Page) -> list[str]:
    link = page.link()
    base, _, text = link.partition("l=")
    payload, _, signature = text.partition(".")
    later = base64.urlsafe_b64encode(b'{"i":"0123456789abcdef","e":9999999999,"a":"lab"}').decode().rstrip("=")
    other = LinkSigner(Secret("f" * 64), "lab").make_link(time.time_ns())
    lab2 = LinkSigner(KEY, "production").make_link(time.time_ns())
    state = page.signer.make_state(page.signer.read_link(text, time.time_ns()), "c", time.time_ns())
    return [
        f"{base}l={changed}"
        for changed in (
            f"{payload}.{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}",
            f"{later}.{signature}",
            payload,
            f"{payload}.",
            f"{payload}.{signature}.{signature}",
            other,
            lab2,
            state,
            "A" * 3000,
            "%00%ff",
            "'%22><script>",
        )
    ]


def test_a_tampered_link_is_refused_before_anything_happens(page: Page, phone: Phone) -> None:
    for link in tampered(page):
        answer = phone.get(link)
        assert answer["statusCode"] == 403, link
        assert "Location" not in answer["headers"]
        assert "<script>" not in answer["body"]


def test_links_and_logins_end(page: Page, phone: Phone) -> None:
    old = page.link(time.time_ns() - (LINK_SECONDS + 1) * NS_PER_SECOND)

    assert "expired" in phone.get(old)["body"]

    now = time.time_ns()
    link = page.signer.read_link(page.signer.make_link(now), now)
    state = page.signer.make_state(link, "cookie", now)
    assert page.signer.read_state(state, "cookie", now + (STATE_SECONDS - 1) * NS_PER_SECOND).link == link.id
    with pytest.raises(LinkError, match="too long"):
        page.signer.read_state(state, "cookie", now + (STATE_SECONDS + 1) * NS_PER_SECOND)


def test_a_login_ends_with_its_link(page: Page) -> None:
    now = time.time_ns()
    ends = now + 60 * NS_PER_SECOND
    state = page.signer.make_state(LoginLink("0123456789abcdef", ends), "cookie", now)

    assert page.signer.read_state(state, "cookie", ends - NS_PER_SECOND).link == "0123456789abcdef"
    with pytest.raises(LinkError, match="too long"):
        page.signer.read_state(state, "cookie", ends)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_get_is_known(page: Page, phone: Phone, method: str) -> None:
    answer = phone.get(page.link(), method)

    assert answer["statusCode"] == 404


def test_everything_else_is_one_and_the_same_404(page: Page, phone: Phone) -> None:
    paths = [
        "/",
        "/admin",
        "/login",
        "/login?x=1",
        "/callback?x",
        "/.env",
        "/login/..",
        f"/login?l={'a' * 9000}",
        "//login?l=x",
    ]
    bodies = {json.dumps(phone.get(f"https://page.example{path}")) for path in paths}

    assert len(bodies) == 1
    assert json.loads(bodies.pop())["statusCode"] == 404


def test_the_headers_let_nothing_else_in(page: Page, phone: Phone) -> None:
    for answer in (phone.get(page.link()), phone.get("https://x/"), phone.log_in(page.link())):
        assert set(HEADERS) <= set(answer["headers"])
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert HEADERS["Cache-Control"] == "no-store"
    assert HEADERS["Referrer-Policy"] == "no-referrer"


def test_a_flood_from_one_address_is_cut_off_and_others_are_served(page: Page, phone: Phone, figure) -> None:
    page.service = page.service._replace(budget=Budget(per_minute=20))
    link = page.link()

    flood = [page.answer(event(link + "x", ip="203.0.113.5"))["statusCode"] for _ in range(10_000)]
    done = phone.log_in(link)

    assert set(flood) == {403, 429}
    assert flood.count(403) <= 21
    assert done["statusCode"] == 200
    assert len(page.kept) == 1
    figure("page_flood_answers_5xx", sum(status >= 500 for status in flood), bound="== 0", unit="answers", gate=True)


def test_an_address_that_was_quiet_for_an_hour_has_a_minutes_requests_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budget, now = Budget(per_minute=20), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert budget.allows("203.0.113.5")
    now += 3600

    assert [budget.allows("203.0.113.5") for _ in range(25)] == [True] * 20 + [False] * 5


def test_a_short_key_is_refused() -> None:
    with pytest.raises(LinkError, match="openssl rand"):
        LinkSigner(Secret("short"), "lab")


@pytest.fixture(params=["folder", "ssm"])
def once(request: pytest.FixtureRequest, tmp_path: Path, aws: str) -> Once:
    return (
        FolderOnce(tmp_path / "used") if request.param == "folder" else SsmOnce("/alpha-harvester/lab/token-page/used/")
    )


def test_of_many_who_claim_a_name_one_wins(once: Once) -> None:
    once.is_claimed("link-0000000000000000")  # moto imports what it needs at its first request, badly in many threads
    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(lambda _: once.claim("link-0123456789abcdef", time.time_ns() + HOUR_NS), range(6)))

    assert won.count(True) == 1
    assert once.is_claimed("link-0123456789abcdef")
    once.release("link-0123456789abcdef")
    assert not once.is_claimed("link-0123456789abcdef")


def test_a_claim_whose_answer_was_lost_is_known_when_it_is_made_again(aws: str) -> None:
    """boto3 asks again after a timeout; the first request may have arrived."""
    once = SsmOnce("/alpha-harvester/lab/token-page/used/")
    client = once._client
    put, lost = client.put_parameter, []

    def twice(**arguments: object) -> object:
        lost.append(put(**arguments))
        return put(**arguments)

    client.put_parameter = twice

    assert once.claim("link-0123456789abcdef", time.time_ns() + HOUR_NS)
    assert not once.claim("link-0123456789abcdef", time.time_ns() + HOUR_NS)
    assert len(lost) == 1


def test_what_nobody_needs_to_know_is_forgotten(once: Once) -> None:
    now = time.time_ns()
    once.claim("link-0000000000000001", now - HOUR_NS)
    once.claim("link-0000000000000002", now + HOUR_NS)

    once.tidy(now)

    assert [once.is_claimed(f"link-000000000000000{number}") for number in (1, 2)] == [False, True]


def test_more_old_links_than_one_page_of_ssm_are_forgotten(aws: str) -> None:
    once, now = SsmOnce("/alpha-harvester/lab/token-page/used/"), time.time_ns()
    for number in range(25):
        once.claim(f"link-{number:016}", now + HOUR_NS if number < 12 else now - HOUR_NS)

    once.tidy(now)

    assert [once.is_claimed(f"link-{number:016}") for number in range(25)] == [number < 12 for number in range(25)]

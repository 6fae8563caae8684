"""Who may speak to the server: every check against the real server, over sockets."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from embedkit.errors import EmbedkitError
from embedkit.review import Decisions, ReviewSettings, serve_review

from .conftest import CANARY, Client, Server, Site, sign_in

pytestmark = pytest.mark.slow

PATHS = ("/", "/review.js", "/api/queue", "/api/state", "/api/details/0", "/picture/0", "/radiograph/0", "/no-such")


@pytest.fixture(scope="module")
def shared(whole_site: Site, tmp_path_factory: pytest.TempPathFactory):
    """One server for all tests that decide nothing."""
    with Server(whole_site, "--reviewer", "anna", "--reviewer", "ben") as started:
        yield started


def test_nothing_is_answered_without_a_token(shared: Server) -> None:
    for path in PATHS:
        for client in (Client(shared), Client(shared, "embedkit-review=x"), Client(shared, 'a="\\')):
            answer = client.get(path)
            assert answer.status == 401, path
            assert "Set-Cookie" not in answer.headers
    for token in ("", "x", shared.token("anna")[:-1], shared.token("anna") + "x", "%00"):
        assert Client(shared).get(f"/?token={token}").status == 401
    assert Client(shared).get(f"/api/queue?token={shared.token('anna')}").status == 401, "a token opens the page only"


def test_the_token_becomes_a_cookie_that_no_script_or_other_site_can_use(shared: Server) -> None:
    answer = Client(shared).get(f"/?token={shared.token('anna')}")
    cookie = answer.headers["Set-Cookie"]
    assert {part.strip() for part in cookie.split(";")[1:]} == {
        f"Path={shared.path('anna')}/",
        "HttpOnly",
        "SameSite=Strict",
    }
    assert shared.token("anna") not in cookie
    assert shared.token("anna").encode() not in answer.body


def test_at_another_reviewers_address_nothing_is_saved(shared: Server) -> None:
    """Two reviewers in one browser: the address says for whom a decision is, and the cookie must be of the same."""
    anna = sign_in(shared, "anna")
    at_bens = Client(shared, anna.cookie, "ben")
    for answer in (at_bens.get("/api/queue"), at_bens.decide(0, "skip"), at_bens.post("/api/undo", {})):
        assert (answer.status, b"another reviewer's" in answer.body) == (403, True)
    assert at_bens.get(f"/?token={shared.token('anna')}").status == 403
    both = f"{sign_in(shared, 'ben').cookie}; x=y"
    assert Client(shared, both, "ben").get("/api/queue").document["reviewer"] == "ben"
    assert Client(shared, both, "ben").get("/api/state?since=0").document["number"] == 0


def test_each_reviewer_is_who_the_token_says(shared: Server) -> None:
    for name in ("anna", "ben"):
        assert sign_in(shared, name).get("/api/queue").document["reviewer"] == name


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "", "["],
)
def test_a_foreign_name_gets_nothing(shared: Server, host: str) -> None:
    client = sign_in(shared)
    for path in (f"/?token={shared.token('anna')}", "/api/queue"):
        answer = client.get(path, Host=host.format(port=shared.place.port))
        assert answer.status in (400, 421)
        assert "Set-Cookie" not in answer.headers


def test_its_own_names_are_answered_at_any_port_for_tunnels(shared: Server) -> None:
    for host in ("localhost", "127.0.0.1:9000", f"localhost:{shared.place.port}"):
        assert sign_in(shared).get("/api/queue", Host=host).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ""},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
    ],
)
@pytest.mark.parametrize("path", ["/api/decide", "/api/undo"])
def test_a_write_from_elsewhere_is_refused(shared: Server, path: str, headers: dict[str, str]) -> None:
    sent = {name: value.format(port=shared.place.port) for name, value in headers.items()}
    assert sign_in(shared).post(path, {}, **sent).status in (403, 413)


def test_a_write_is_short_json_of_the_right_kind(shared: Server) -> None:
    client = sign_in(shared)
    good = {"row": 0, "verdict": "skip", "region": "", "note": "", "press": "p", "since": 0}
    bad = [[], None, "x", {}, good | {"row": "0"}, good | {"row": True}, good | {"row": 99999}, good | {"row": -1}]
    bad += [good | {"more": 1}, good | {"verdict": "undo"}, good | {"region": "nowhere", "verdict": "relabel"}]
    for document in bad:
        answer = client.post("/api/decide", document)
        assert answer.status == 400, document
        assert answer.document["error"]
    bad += [good | {"verdict": "keep", name: "\ud800"} for name in ("note", "press", "region", "verdict")]
    bad += [good | {"row": 10**4000}, good | {"row": 10**15}]
    for document in bad[-6:]:
        assert client.post("/api/decide", document).status == 400, document
    for number in ("-1", "²", "٣", "1" * 5000, "1e9", "0x1", "", "%ud800", "%ED%A0%80"):
        assert client.get(f"/api/state?since={quote(number, safe='%')}").status == 400, number
    for path in ("/picture/", "/radiograph/", "/api/details/"):
        assert client.get(path + "1" * 5000).status == 404
    assert client.post("/api/undo", {"number": 10**4000, "press": "\ud800"}).status == 400
    assert client.post("/api/decide", good | {"note": "n" * 20000}).status == 413
    assert client.post("/api/undo", {"number": 7, "press": "x"}).status == 400


def raw(server: Server, request: str, body: bytes = b"", patience: float = 20) -> bytes:
    """Send what no HTTP client would; return all that is answered until the server closes."""
    with socket.create_connection(("127.0.0.1", server.place.port), timeout=patience) as line:
        line.sendall(request.replace("\n", "\r\n").encode() + body)
        answer = b""
        with suppress(ConnectionResetError):  # closed while we still had something to send
            while part := line.recv(65536):
                answer += part
    return answer


@pytest.mark.parametrize("lengths", ["Content-Length: 40\n", ""])
def test_chunks_do_not_pass_the_limit_of_a_body(shared: Server, lengths: str) -> None:
    client = sign_in(shared)
    host = shared.place.netloc
    head = f"Host: {host}\nOrigin: http://{host}\nCookie: {client.cookie}\nContent-Type: application/json\n"
    for method, path in (("POST", "/api/decide"), ("GET", "/api/queue")):
        request = f"{method} {client.path}{path} HTTP/1.1\n{head}{lengths}Transfer-Encoding: chunked\n\n"
        answer = raw(shared, request, b"186A0\r\n" + b"x" * 100_000 + b"\r\n" * 2)
        assert not answer or answer.startswith((b"HTTP/1.1 413", b"HTTP/1.1 400")), answer[:100]
    assert raw(shared, f"GET {client.path}/api/queue HTTP/1.1\n{head}Content-Length: 7\n\n").startswith(b"HTTP/1.1 413")


def test_connections_that_send_nothing_or_half_a_request_block_nobody(site: Site) -> None:
    with Server(site, "--reviewer", "anna") as server:
        client = sign_in(server)
        place, lines = ("127.0.0.1", server.place.port), []
        try:
            for number in range(600):
                lines.append(socket.create_connection(place, timeout=20))
                if number % 2:
                    lines[-1].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
                if number % 100 == 99:
                    assert client.get("/api/queue").status == 200
            ended = time.monotonic() + 40
            while lines:  # those that were not closed to make room are closed when their time is over
                lines[-1].settimeout(max(0.01, ended - time.monotonic()))
                with suppress(ConnectionResetError):
                    assert lines[-1].recv(1) == b""
                lines.pop().close()
        finally:
            for line in lines:
                line.close()
        assert client.get("/api/queue").status == 200


def test_at_another_address_of_this_machine_it_answers_to_it(site: Site) -> None:
    with Server(site, "--reviewer", "anna", "--host", "127.0.0.2") as server:
        assert server.place.hostname == "127.0.0.2"
        with socket.create_connection(("127.0.0.2", server.place.port), timeout=20) as line:
            line.sendall(f"GET {server.path('anna')}/ HTTP/1.1\r\nHost: {server.place.netloc}\r\n\r\n".encode())
            assert line.recv(100).startswith(b"HTTP/1.1 401"), "not 421: it is asked for its token"


def test_every_answer_forbids_caching_framing_sniffing_and_foreign_scripts(shared: Server) -> None:
    client = sign_in(shared)
    answers = [client.get(path) for path in PATHS]
    answers += [Client(shared).get("/"), client.get("/", Host="evil.example"), client.send("DELETE", "/")]
    answers += [client.post("/api/undo", {})]
    assert {answer.status for answer in answers} == {200, 404, 401, 421, 405, 400}
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "uvicorn" not in str(answer.headers)


def test_the_page_has_no_script_or_style_of_its_own(shared: Server) -> None:
    page = sign_in(shared).get("/").body.decode()
    assert page.count("<script") == page.count('<script type="module" src="review.js"></script>') == 1
    assert "<style" not in page
    assert "style=" not in page
    assert "http:" not in page
    assert "https:" not in page


def test_paths_lead_out_of_nowhere(shared: Server) -> None:
    client = sign_in(shared)
    for path in ("/../server.py", "/%2e%2e/server.py", "/page/index.html", "/picture/../../etc/passwd", "/picture/-1"):
        assert client.get(path).status == 404
    for path in ("/picture/100000", "/radiograph/100000", "/api/details/100000"):
        assert client.get(path).status == 400


def test_it_listens_at_this_machine_only(shared: Server) -> None:
    own = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in own:
        with pytest.raises(OSError), socket.create_connection((address, shared.place.port), timeout=2):  # noqa: PT011
            pass


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"host": "0.0.0.0"}, "network-without-tls"),
        ({"host": "192.0.2.1"}, "network-without-tls"),
        ({"host": "::"}, "network-without-tls"),
        ({"host": "some.name"}, "network-without-tls"),
        ({"tls_cert": Path("cert.pem")}, "tls-files"),
        ({"tls_cert": Path("no.pem"), "tls_key": Path("no.pem")}, "tls-files"),
        ({"reviewers": ("anna", "anna")}, "bad-reviewer"),
        ({"reviewers": ("a\nb",)}, "bad-reviewer"),
        ({"root": Path("no-such-folder")}, "root-not-found"),
        ({"issues": Path("no-such.csv")}, "issues-unreadable"),
        ({"issues": Path(__file__)}, "issues-unreadable"),
        ({"index": Path("no-such-index")}, "index-absent"),
    ],
)
def test_what_would_be_open_to_others_or_cannot_work_is_refused(
    site: Site, settings: dict[str, object], reason: str
) -> None:
    with pytest.raises(EmbedkitError) as refused:
        serve_review(ReviewSettings(**{"index": site.index, "issues": site.issues} | settings), pytest.fail)
    assert refused.value.reason == reason
    assert len(str(refused.value).splitlines()) == 1


def test_a_network_address_without_tls_ends_with_2_and_a_line_that_says_what_to_do(site: Site) -> None:
    command = [sys.executable, "-P", "-c", "from embedkit.cli import main; main()", "review", "--quiet"]
    places = ["--index", str(site.index), "--issues", str(site.issues), "--host", "0.0.0.0"]
    done = subprocess.run([*command, *places], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--tls-cert" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_in_the_network_it_speaks_tls_and_asks_for_the_token(site: Site, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    try:
        subprocess.run([*make, "-keyout", key, "-out", cert], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    with Server(site, "--host", "0.0.0.0", "--tls-cert", cert, "--tls-key", key, "--reviewer", "anna") as server:
        assert server.place.scheme == "https"
        assert Client(server).get("/").status == 401
        client = sign_in(server)
        assert "; Secure" in Client(server).get(f"/?token={server.token('anna')}").headers["Set-Cookie"]
        assert client.get("/api/queue", Host="127.0.0.1").status == 200
        assert client.get("/api/queue", Host="evil.example").status == 421
        row = client.get("/api/queue").document["suspects"][0]["row"]
        assert client.decide(row, "skip").status == 200
        place = server.place.netloc
        assert client.post("/api/undo", {"number": 1, "press": "p"}, Origin=f"http://{place}").status == 403


def test_it_names_no_patient_and_says_no_token_twice(site: Site) -> None:
    server = Server(site, "--reviewer", "anna")
    client = sign_in(server)
    rows = [suspect["row"] for suspect in client.get("/api/queue").document["suspects"]]
    bodies = [client.get("/api/queue").body, client.get("/").body]
    for row in range(60):
        answer = client.get(f"/api/details/{row}")
        bodies += [answer.body, str(answer.headers).encode()]
    bodies += [str(client.get(f"/radiograph/{row}").headers).encode() for row in rows[:3]]
    code, said = server.end(signal.SIGINT)
    assert code == 0
    assert said.count(server.token("anna")) == 1
    for text in (said.encode(), *bodies):
        for secret in (CANARY, "CANARY", "DEMO^PATIENT", "demo-00", "19700101", str(site.dump.resolve())):
            assert secret.encode() not in text
    with Decisions.open(site.index) as decisions:
        assert decisions.history() == []

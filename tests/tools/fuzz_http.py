#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fuzz_http.py SOCKET CASES [SEED]: broken requests, thousands of them, always the same.

Each case is a valid request, mutated: bytes flipped, cut, doubled, swapped for others that parsers
trip over; sent in random pieces, sometimes hung up on. What comes back must be nothing or well-formed
HTTP/1.1 replies whose JSON bodies parse. Prints the count of each status; exits 1 at the first reply that
is neither, naming the case."""
import json
import random
import socket
import sys

BODIES = [
    {"question": "How do I cancel a job?"},
    {"question": "怎么取消打印任务？", "k": 3, "mode": "extract"},
    {"question": "x", "collection": ["default"], "filter": {"path": "*", "after": "2020-01-01", "type": "markdown"}},
    {"question": "x", "history": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
    {"question": "x", "conversation": "c-0123456789abcdef0123456789abcdef", "stream": True},
    {"question": "x", "max_tokens": 4, "temperature": 0.5, "seed": 7, "mode": "write"},
]
VALUES = [None, True, False, 0, -1, 1, 50, 51, 1e308, -1e308, 2**31, 2**63, 2**64, 0.1, "", "x", "\ud83d", "\u0000", "a" * 9000,
          [], {}, [[]], {"a": {}}, ["x"] * 70, [None], {"role": "user"}, "<|im_end|>", "../../etc/passwd", "%s%n", "\x1b[2J"]
BYTES = [b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b":", b"%", b"%00", b"\xff", b"\xc0\xaf", b"{", b"}", b"[" * 50, b'"', b"\\",
         b"\\u0000", b"\\ud800", b"-", b"e9999", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n"]
PATHS = ["/v1/ask", "/v1/search", "/v1/collections", "/v1/documents/1", "/v1/documents/%2e%2e", "/v1/status", "/healthz", "/readyz",
         "/metrics", "/", "*", "//", "/v1/ask?x=%zz", "http://askd/v1/ask", "/v1/ask/", "/v1/documents/"]
METHODS = ["POST"] * 6 + ["GET"] * 4 + ["HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "PRI", "get", "M-SEARCH"]


def body(r):
    b = dict(r.choice(BODIES))
    for _ in range(r.choice([0, 0, 0, 1, 2])):
        b[r.choice(list(b) + ["k", "mode", "filter", "history", "temperature", "nonsense", ""])] = r.choice(VALUES)
    return json.dumps(b, ensure_ascii=r.random() < 0.5).encode("utf-8", "surrogatepass")


def request(r):
    data = body(r) if r.random() < 0.8 else b""
    target = f"{r.choice(METHODS)} {r.choice(PATHS)}"
    if data and r.random() < 0.6:  # a good deal must get past the first doors
        target = r.choice(["POST /v1/ask", "POST /v1/search"])
    head = f"{target} HTTP/1.{r.choice('1110')}\r\nHost: askd\r\n"
    if r.random() < 0.3:
        head += "Accept: " + r.choice(["application/x-ndjson", "text/event-stream", "application/json", "x" * 5000]) + "\r\n"
    if r.random() < 0.2:
        head += r.choice(["Expect: 100-continue", "Connection: close", "Connection: keep-alive", "Upgrade: websocket\r\nConnection: Upgrade",
                          "Connection: x, close, y", "X: " + "y" * 20000]) + "\r\n"
    if r.random() < 0.25 and data:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (data[:5], data[5:]) if p)
        return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    length = len(data) if r.random() < 0.9 else r.choice([0, 1, len(data) + 10, 10**6, 10**30, -1])
    return head.encode() + f"Content-Length: {length}\r\n\r\n".encode() + data


def mutate(r, data):
    for _ in range(r.choice([0, 0, 0, 1, 1, 2, 4])):
        if not data:
            break
        at = r.randrange(len(data))
        how = r.randrange(6)
        if how == 0:
            data = data[:at] + bytes([r.randrange(256)]) + data[at + 1:]
        elif how == 1:
            data = data[:at] + r.choice(BYTES) + data[at:]
        elif how == 2:
            data = data[:at]
        elif how == 3:
            data = data[:at] + data[at + r.randrange(1, 20):]
        elif how == 4:
            data = data + data
        else:
            end = min(len(data), at + r.randrange(1, 40))
            data = data[:end] + data[at:end] * r.randrange(1, 5) + data[end:]
    return data


def exchange(r, path, data):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    got = b""
    try:
        if r.random() < 0.3:
            at = 0
            while at < len(data):
                n = r.randrange(1, 200)
                s.sendall(data[at:at + n])
                at += n
        else:
            s.sendall(data)
        if r.random() < 0.15:
            return b""  # hang up without a look
        s.shutdown(socket.SHUT_WR) if r.random() < 0.3 else None
        s.settimeout(0.1)
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        pass
    finally:
        s.close()
    return got


def replies(got):
    """The statuses in `got`, or an exception where it is no HTTP/1.1. The last may be cut."""
    statuses = []
    while got:
        head, sep, rest = got.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        proto, code, _ = lines[0].split(b" ", 2)
        assert proto == b"HTTP/1.1" and len(code) == 3, lines[0]
        assert all(b": " in x for x in lines[1:]), head
        statuses.append(int(code))
        fields = {k.lower(): v for k, v in (x.split(b": ", 1) for x in lines[1:])}
        if code == b"100":
            got = rest
        elif b"content-length" in fields:
            n = int(fields[b"content-length"])
            if len(rest) < n:
                break
            if fields[b"content-type"] == b"application/json":
                json.loads(rest[:n].decode())
            got = rest[n:]
        else:
            while True:
                size, _, rest = rest.partition(b"\r\n")
                n = int(size or b"0", 16)
                if n == 0 or len(rest) < n + 2:
                    break
                assert rest[n:n + 2] == b"\r\n"
                rest = rest[n + 2:]
            got = rest[2:] if rest.startswith(b"\r\n") else b""
    return statuses


def main():
    path, cases, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1
    count = {}
    for i in range(cases):
        r = random.Random(seed * 1000003 + i)
        data = b"".join(mutate(r, request(r)) for _ in range(r.choice([1, 1, 1, 2, 5])))
        got = exchange(r, path, data)
        try:
            for status in replies(got):
                count[status] = count.get(status, 0) + 1
        except Exception as e:
            print(f"# case {i} of seed {seed}: {e!r}\n# sent {data!r}\n# got {got!r}")
            return 1
    print("# " + ", ".join(f"{k}: {v}" for k, v in sorted(count.items())))
    return 0


sys.exit(main())

#!/usr/bin/env python3
"""A judge for tests: judge_server.py PORT_FILE LOG MODE.

Listens on a free port of 127.0.0.1, writes it to PORT_FILE, and appends every request (path,
key, body) to LOG. Between the accepted answer and both answers it judges as MODE says:
  fair     the answer that holds the accepted one, as JSON
  chatty   the same, inside prose and a fence
  first    always the first: a judge with a bias
  garbage  no verdict
  broken   no JSON
  hang     no reply for a long time
  refuse   401
  busy     503 once for each question, then fair
"""
import http.server
import json
import os
import re
import sys
import time

port_file, log, mode = sys.argv[1:]
seen = set()


def verdict(user):
    right = re.search(r"Right answer[^\n]*\n(.*?)\n\nAnswer 1:", user, re.S).group(1).split("\n")
    one, two = re.search(r"Answer 1:\n(.*?)\n\nAnswer 2:\n(.*)", user, re.S).groups()
    a, b = (any(r in x for r in right) for x in (one, two))
    winner = "1" if mode == "first" or a > b else "2" if b > a else "tie"
    return {"reason": f"{winner}: because {{so}}", "winner": winner}


class Judge(http.server.BaseHTTPRequestHandler):
    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(raw)
        with open(log, "a") as f:
            print(json.dumps({"path": self.path, "key": self.headers.get("Authorization"), "body": body}), file=f)
        user = body["messages"][-1]["content"]
        if mode == "hang":
            time.sleep(30)
        if mode == "refuse":
            return self.reply(401, b'{"error": {"message": "wrong key"}}')
        if mode == "busy" and user not in seen:
            seen.add(user)
            return self.reply(503, b"")
        if mode == "broken":
            return self.reply(200, b"<html>")
        text = json.dumps(verdict(user))
        if mode == "chatty":
            text = f"Let me {{think}}.\n```json\n{text}\n```\nThat is all."
        if mode == "garbage":
            text = "Both are {fine}."
        self.reply(200, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge)
server.daemon_threads = True
with open(port_file + ".part", "w") as f:
    print(server.server_port, file=f)
os.rename(port_file + ".part", port_file)
server.serve_forever()

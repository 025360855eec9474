#!/usr/bin/env python3
"""Measures the server from outside, with nothing but Python's standard library (and wrk, where it is installed):

    benches/server.py target/release/slipway [GIB] [--wide]

- time from the start of the process to the first good answer of /readyz, the best and the median of nine starts on SQLite, the
  first of which also makes the database;
- memory of an idle server (resident, as /proc says) after two seconds;
- peak memory and speed while it takes in a CSV upload of GIB GiB (1 when absent) that is made on the fly; `--wide` makes rows of
  200 columns with texts of high cardinality instead of ten columns;
- with wrk: predictions a second of the reference network on ten features, one row each, over eight connections.

Every figure is printed with its unit. The data folder is a temporary one and goes away at the end.
"""

import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

MIB = 1 << 20
GIB = 1 << 30


class Server:
    """A slipway server on a free port, with its start timed."""

    def __init__(self, binary, folder):
        begun = time.perf_counter()
        env = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        self.process = subprocess.Popen(
            [binary, "server", "--port", "0", "--data-dir", folder, "--log", "warn"], stdout=subprocess.PIPE, text=True, env=env
        )
        for line in self.process.stdout:
            if line.startswith("slipway listens on http://"):
                self.host = line.split("//")[1].strip()
                break
        else:
            sys.exit("the server did not start")
        while self.ask("GET", "/readyz")[0] != 200:
            time.sleep(0.001)
        self.ready_after = time.perf_counter() - begun

    def ask(self, method, path, body=None):
        """Sends a request with a JSON body; returns status and answer."""
        connection = http.client.HTTPConnection(self.host, timeout=600)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {} if body is None else {"content-type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, answer

    def memory(self, field):
        """Resident memory in bytes: VmRSS now, VmHWM at most so far."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))

    def reset_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as refs:
            refs.write("5")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def starts(binary):
    times, idle = [], 0
    for _ in range(3):
        folder = tempfile.mkdtemp(prefix="slipway-bench-")
        for _ in range(3):
            server = Server(binary, folder)
            times.append(server.ready_after)
            if len(times) == 1:
                time.sleep(2)
                idle = server.memory("VmRSS")
            server.stop()
        shutil.rmtree(folder)
    print(f"ready after {min(times) * 1000:.0f} ms at best, {statistics.median(times) * 1000:.0f} ms median, {max(times) * 1000:.0f} ms at worst")
    print(f"idle memory {idle / MIB:.1f} MiB")


def chunks(size, wide):
    """Makes CSV text of about `size` bytes in pieces of about a megabyte, as fast as it can be sent."""
    draw = random.Random(1)
    columns = 200 if wide else 10
    yield (",".join(f"column{i}" for i in range(columns)) + "\n").encode()

    def field(i):
        return f"{draw.getrandbits(64):016x}" if wide and i % 4 == 0 else f"{draw.gauss(0, 1):.6f}"

    rows = [",".join(field(i) for i in range(columns)) + "\n" for _ in range(2000 if wide else 20000)]
    sent = 0
    while sent < size:
        draw.shuffle(rows)
        piece = "".join(rows).encode()
        sent += len(piece)
        yield piece


def upload(binary, size, wide):
    folder = tempfile.mkdtemp(prefix="slipway-bench-")
    server = Server(binary, folder)
    server.reset_peak()
    begun = time.perf_counter()
    connection = http.client.HTTPConnection(server.host, timeout=3600)
    sent = 0

    def counted():
        nonlocal sent
        for piece in chunks(size, wide):
            sent += len(piece)
            yield piece

    peaks, stop = [], threading.Event()

    def sample():
        while not stop.wait(0.05):
            peaks.append(server.memory("VmRSS"))

    sampler = threading.Thread(target=sample)
    sampler.start()
    path = "/api/v1/datasets/large/versions?format=csv"
    connection.request("POST", path, counted(), {"content-type": "text/csv"}, encode_chunked=True)
    sent_after = time.perf_counter() - begun
    response = connection.getresponse()
    answer = json.loads(response.read())
    took = time.perf_counter() - begun
    stop.set()
    sampler.join()
    assert response.status == 201, answer
    peak = max(server.memory("VmHWM"), max(peaks))
    print(f"upload of {sent / GIB:.2f} GiB, {answer['num_rows']:,} rows: peak memory {peak / MIB:.1f} MiB")
    print(f"  {took:.1f} s, {sent / took / MIB:.0f} MiB/s; {sent_after:.1f} s of it receiving, the rest reading it twice and storing it")
    server.stop()
    shutil.rmtree(folder)


def predictions(binary):
    if shutil.which("wrk") is None:
        print("wrk is not installed: predictions are not measured")
        return
    folder = tempfile.mkdtemp(prefix="slipway-bench-")
    server = Server(binary, folder)
    draw = random.Random(2)
    rows = [[draw.gauss(0, 1) for _ in range(10)] for _ in range(2000)]
    text = "\n".join(",".join(f"{x:.6f}" for x in row) + f",{int(sum(row) > 0)}" for row in rows)
    text = ",".join(f"x{i}" for i in range(10)) + ",y\n" + text + "\n"
    connection = http.client.HTTPConnection(server.host)
    connection.request("POST", "/api/v1/datasets/bench/versions?format=csv", text, {"content-type": "text/csv"})
    assert connection.getresponse().status == 201
    spec = {"dataset": "bench", "target": "y", "register_as": "bench", "network": {"epochs": 2}}
    job = json.loads(server.ask("POST", "/api/v1/jobs", spec)[1])["job_id"]
    while json.loads(server.ask("GET", f"/api/v1/jobs/{job}")[1])["state"] != "SUCCEEDED":
        time.sleep(0.05)
    assert server.ask("POST", "/api/v1/models/bench/aliases/champion", {"version": 1})[0] == 200
    while server.ask("POST", "/v1/models/bench:predict", {"instances": rows[:1]})[0] != 200:
        time.sleep(0.01)
    script = os.path.join(folder, "post.lua")
    with open(script, "w", encoding="ascii") as lua:
        body = json.dumps({"instances": rows[:1]})
        lua.write(f'wrk.method = "POST"\nwrk.body = \'{body}\'\nwrk.headers["content-type"] = "application/json"\n')
    command = ["wrk", "-t1", "-c8", "-d10s", "--latency", "-s", script, f"http://{server.host}/v1/models/bench:predict"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    print("predictions, one row of ten features each, 8 connections, wrk on the same machine:")
    for line in out.splitlines():
        if any(word in line for word in ("Requests/sec", "50%", "99%", "Non-2xx")):
            print("  " + line.strip())
    print(f"  memory afterwards {server.memory('VmRSS') / MIB:.1f} MiB")
    server.stop()
    shutil.rmtree(folder)


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    if not arguments:
        sys.exit(__doc__)
    gib = float(arguments[1]) if len(arguments) > 1 else 1.0
    starts(arguments[0])
    upload(arguments[0], int(gib * GIB), "--wide" in sys.argv)
    predictions(arguments[0])


main()

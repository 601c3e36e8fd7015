"""Start Debian's real Slurm on this very machine, and run a tiny experiment through it.

``apt-get install slurm-wlm munge`` gives what is needed; run it as root. munged, slurmctld and slurmd get a
configuration of their own in a temporary folder, listen on this machine alone, and are stopped at the end. It prints
what `significand run --on slurm` and `significand status` say, and how long each part took.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

TINY = [
    *("--data", "synthetic", "--layer-sizes", "16-32-4", "--activations", "relu,softmax", "--n-samples", "200"),
    *("--batch-size", "16", "--epochs", "1", "--latency-rounds", "2", "--round-duration-s", "0.002"),
    *("--repeats", "2", "--modes", "float32,int8", "--threads", "1"),
]

CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=bench Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Run Slurm while the block lasts; give the environment in which its commands find it."""
    host = os.uname().nodename
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700)
    text = CONFIGURATION.format(host=host, folder=folder, ports=free_ports(2), cpus=os.cpu_count())
    (folder / "slurm.conf").write_text(text)
    key = folder / "munge" / "key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    munge = [f"--{option}={folder}/munge/{name}" for option, name in files.items()]
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    commands = [
        ["/usr/sbin/munged", "--foreground", "--force", f"--key-file={key}", *munge],
        ["/usr/sbin/slurmctld", "-D", "-i"],
        ["/usr/sbin/slurmd", "-D", "-N", host],
    ]
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "daemons.log").open("wb") as log:
            for command in commands:
                started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
                time.sleep(1)
        wait_for_node(environment)
        yield environment
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def wait_for_node(environment: dict[str, str], timeout_s: float = 30.0) -> None:
    """Wait until the node is there."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        told = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False)
        if told.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    raise SystemExit(f"the node did not come up: {told.stdout} {told.stderr}")


def significand(environment: dict[str, str], *words: str) -> int:
    """Run a command of significand, and print what it says and how long it took."""
    print(f"\n$ significand {' '.join(words)}", flush=True)
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "significand", *words], env=environment, check=False)
    print(f"[exit code {done.returncode}, {time.perf_counter() - begin:.1f} s]", flush=True)
    return done.returncode


def main(words: Sequence[str] | None = None) -> int:
    """Start Slurm, run the experiment in both ways, and stop it."""
    argparse.ArgumentParser(description=__doc__).parse_args(words)
    if not all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("munged", "slurmctld", "slurmd", "sbatch")):
        raise SystemExit("Slurm is not installed here: apt-get install slurm-wlm munge")
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="slurm-") as scratch, slurm(Path(scratch)) as environment:
        print(f"Slurm is up after {time.perf_counter() - begin:.1f} s")
        host = os.uname().nodename
        codes = [
            significand(environment, "run", *TINY, "--on", "slurm", "--hosts", "share", "--slurm",
                        "partition=bench,time=5,jobs=2", "--output-dir", f"{scratch}/share"),
            significand(environment, "status", f"{scratch}/share"),
            significand(environment, "run", *TINY, "--on", "slurm", "--slurm", f"nodelist={host},time=5",
                        "--output-dir", f"{scratch}/each"),
            significand(environment, "status", f"{scratch}/each"),
        ]  # fmt: skip
        refused = [
            significand(environment, "run", *TINY, "--on", "slurm", "--hosts", "share", "--slurm", "partition=nowhere",
                        "--output-dir", f"{scratch}/nowhere"),
        ]  # fmt: skip
    return int(any(codes) or refused != [2])


if __name__ == "__main__":
    sys.exit(main())

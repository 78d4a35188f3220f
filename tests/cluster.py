"""Stand-ins for a cluster's commands: each "node" is a process of this machine."""

from pathlib import Path

# Runs the command once per node, and ends the others if one fails, as --kill-on-bad-exit=1 does.
SRUN = r"""#!/usr/bin/env bash
nodes=1
while [[ "$1" = --* ]]; do
    case "$1" in
        --nodes|--ntasks) nodes=$2; shift 2 ;;
        *=*) shift ;;
        *) shift 2 ;;
    esac
done
echo "srun --nodes ${nodes} $*" >> "${CLUSTER_LOG}"
export SLURM_STEP_NUM_NODES=${nodes} SLURM_NTASKS=${nodes}
export SLURM_STEP_NODELIST=node[0-$((nodes - 1))]
pids=()
for ((node = 0; node < nodes; node++)); do
    SLURM_NODEID=${node} SLURM_PROCID=${node} SLURM_LOCALID=0 "$@" &
    pids+=($!)
done
for ((node = 0; node < nodes; node++)); do
    if ! wait -n "${pids[@]}"; then kill "${pids[@]}" 2>/dev/null; wait; exit 1; fi
done
"""

# Runs a copy of the script, as slurmd does.
SBATCH = r"""#!/usr/bin/env bash
while [[ "$1" = --* ]]; do shift 2; done
echo "sbatch $*" >> "${CLUSTER_LOG}"
copy=$(mktemp -d)/slurm_script
cp "$1" "${copy}"
SLURM_SUBMIT_DIR=${PWD} bash "${copy}" "${@:2}"
"""

# Starts the job and returns. It keeps a copy, as Slurm does: dask_jobqueue deletes its script.
QUEUE = r"""#!/bin/sh
cp "$1" {folder}/job.$$
setsid {interpreter} {folder}/job.$$ >/dev/null 2>&1 &
echo $! >> {folder}/jobs
echo "job $!"
"""
REFUSE = "#!/bin/sh\necho 'invalid partition' >&2\nexit 1\n"

# The words after the host's name are one command line there, in the home folder.
SSH = r"""#!/usr/bin/env bash
while [[ "$1" = -* ]]; do if [[ "$1" = -o ]]; then shift; fi; shift; done
echo "${0##*/} $1" >> "${CLUSTER_LOG}"
if [ "$1" = nowhere ]; then
    echo "ssh: Could not resolve hostname nowhere: Name or service not known" >&2
    exit 255
fi
cd / && exec env -u PYTHONPATH -u NODE_RANK bash -c "${*:2}"
"""

# Kaldi's slurm.pl, as espnet2.bin.launch calls it: options, the log, and srun with the command.
SLURM_PL = r"""#!/usr/bin/env bash
nodes=1
while [[ "$1" = --* ]]; do
    if [ "$1" = --num_nodes ]; then nodes=$2; fi
    shift 2
done
log=$1 command=$2
shift 2
"${command}" --nodes "${nodes}" "$@" > "${log}" 2>&1
"""


def write_queue(folder: Path, interpreter: str = "bash", script: str = QUEUE) -> None:
    """Write sbatch and scancel for dask_jobqueue; `folder`/jobs lists the processes of the jobs.

    Args:
        folder: an existing one, for PATH.
        interpreter: what runs a job's script; `true` ends it at once.
        script: sbatch's.
    """
    commands = {"sbatch": script.format(folder=folder, interpreter=interpreter)}
    commands["scancel"] = '#!/bin/sh\nkill -- -"$1"\n'
    for name, lines in commands.items():
        (folder / name).write_text(lines)
        (folder / name).chmod(0o755)


def write_commands(folder: Path) -> Path:
    """Write srun, sbatch, ssh, pbs_tmrsh and slurm.pl into a folder for PATH; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    commands = {"srun": SRUN, "sbatch": SBATCH, "ssh": SSH, "pbs_tmrsh": SSH}
    commands["slurm.pl"] = SLURM_PL
    for name, script in commands.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return folder

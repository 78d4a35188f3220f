# How the recipes start their commands: train_cmd for work on CPUs, decode_cmd for decoding, cuda_cmd
# for training. Each is a prefix of the command line; an empty one runs the command here. cuda_cmd
# runs it once on each of NUM_NODES nodes, which share this folder; a process per GPU is started there.
#
#   local  this machine
#   slurm  srun, from a login node or within sbatch
#   pbs    the nodes of the job that runs this script (qsub)
#   ssh    the machines of --host; it sets this backend

[[ "${ngpu}" =~ ^[0-9]{0,15}$ ]] || die "option --ngpu ${ngpu}: not an integer"
ngpu=${ngpu:+$((10#${ngpu}))}  # 08 is no octal number
[[ "${num_nodes}" =~ ^[1-9] ]] || die "option --num_nodes ${num_nodes}: at least 1"
cmd_backend=${cmd_backend:-local}
if [ -n "${host}" ]; then cmd_backend=ssh; fi
train_cmd="" cuda_cmd=() decode_cmd=""

# use_hosts HOSTS OPTIONS...: train on these hosts, with a comma between.
use_hosts() {
    local hosts
    IFS=, read -ra hosts <<< "$1"
    [ "${num_nodes}" -eq 1 ] || [ "${num_nodes}" -eq "${#hosts[@]}" ] ||
        die "--num_nodes ${num_nodes}, but ${#hosts[@]} host(s): $1"
    num_nodes=${#hosts[@]}
    cuda_cmd=("${python}" -m espnet_wabert.bin.on_hosts --hosts "$1" "${@:2}" --)
}

case "${cmd_backend}" in
    local)
        [ "${num_nodes}" -eq 1 ] ||
            die "--num_nodes ${num_nodes}: this machine is one node; set cmd_backend=slurm or pbs," \
                "or name the machines with --host" ;;
    slurm)  # add your partition, memory, time and CPUs: they differ from cluster to cluster
        command -v srun > /dev/null || die "cmd_backend=slurm: no srun on this machine"
        train_cmd="srun --nodes 1 --ntasks 1 --cpus-per-task ${nj:-4}"
        cuda_cmd=(srun --nodes "${num_nodes}" --ntasks "${num_nodes}" --ntasks-per-node 1
            --gres "gpu:${ngpu:-auto}" --kill-on-bad-exit=1)
        decode_cmd="srun --nodes 1 --ntasks 1 --gres gpu:1" ;;
    pbs)
        [ -f "${PBS_NODEFILE:-}" ] || die "cmd_backend=pbs: no PBS_NODEFILE: submit this script with qsub"
        use_hosts "$(sort -u "${PBS_NODEFILE}" | paste -sd,)" --shell pbs_tmrsh ;;
    ssh)
        [ -n "${host}" ] || die "cmd_backend=ssh: name the machines with --host"
        use_hosts "${host}" ;;
    *)
        die "cmd.sh: cmd_backend=${cmd_backend}: one of local, slurm, pbs, ssh" ;;
esac

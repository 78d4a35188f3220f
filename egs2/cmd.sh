# How the recipes start their commands: train_cmd for work on CPUs, cuda_cmd for training, decode_cmd
# for decoding. Each is a prefix of the command line; an empty one runs the command here.

cmd_backend=${cmd_backend:-local}

case "${cmd_backend}" in
    local)
        train_cmd="" cuda_cmd="" decode_cmd="" ;;
    slurm)  # add your partition, memory and time: they differ from cluster to cluster
        train_cmd="srun --cpus-per-task ${nj:-4}"
        cuda_cmd="srun --gres gpu:${ngpu:-1}"
        decode_cmd="srun --gres gpu:1" ;;
    *)
        echo "cmd.sh: cmd_backend=${cmd_backend}: neither local nor slurm" >&2
        exit 1 ;;
esac

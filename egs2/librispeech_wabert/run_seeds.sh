#!/usr/bin/env bash
# Train and decode the model of run.sh once per seed and score the seeds together (Tables 1 and 2).
#
#   ./run_seeds.sh --seeds "0 1 2" --slu_config ../../conf/table1_infonce.yaml
#
# All other options are those of run.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [ ! -e path.sh ]; then cd "${SLURM_SUBMIT_DIR:-${PBS_O_WORKDIR}}"; OLDPWD=${PWD}; fi  # a copy is run
. ../slu.sh
option_files=(run_seeds.sh)

# Options of this script
seeds="0 1 2"         # of training
skip_data_prep=false  # skip stages 1 to 5
stage=1               # first stage
stop_stage=13         # last stage
# End of options
parse_known_options "$@"
check_seeds

last=$((stop_stage < 12 ? stop_stage : 12))
for seed in ${seeds}; do
    [ "${stage}" -le "${last}" ] || continue
    ./run.sh "${other_options[@]}" --skip_data_prep "${skip_data_prep}" --seed "${seed}" \
        --stage "${stage}" --stop_stage "${last}"
    skip_data_prep=true
done
if [ "${stop_stage}" -ge 13 ]; then
    ./run.sh "${other_options[@]}" --skip_data_prep true --skip_train true --score_seeds "${seeds}" \
        --stage 13 --stop_stage 13
fi

#!/usr/bin/env bash
# Run every row of a table of systems, over seeds, and show the table (Table 3).
#
#   ./run_systems.sh --seeds "0 1 2"
#   ./run_systems.sh --mini true --seeds "0 1 2"     the embedded corpus, on a CPU
#   ./run_systems.sh --system "nlp_bert_b wabert_i3"
#
# All other options are those of run.sh. A missing aligner is trained first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ../slu.sh
option_files=(run_systems.sh)

# Options of this script
system=               # rows, with a space between; default: all
systems=              # the table; default: systems/table3.yaml, or systems/mini.yaml
seeds="0 1 2"         # of training
mini=false            # the embedded corpus and its models
expdir=exp            # experiments
results=              # merge the scores into this results.json; default: EXPDIR/results.json
stage=1               # first stage
stop_stage=13         # last stage
# End of options
parse_known_options "$@"
if "${mini}"; then
    set_mini_options
    systems=systems/mini.yaml
    parse_known_options "$@"
fi
. ./cmd.sh
systems=${systems:-systems/table3.yaml}
results=${results:-${expdir}/results.json}
run=(./run.sh "${other_options[@]}" --mini "${mini}" --expdir "${expdir}" --results "${results}"
    --systems "${systems}")
rows=$(run systems --table "${systems}")  # this checks the whole table
for row in ${system:=${rows}}; do
    run systems --table "${systems}" --system "${row}" > /dev/null  # is there such a row?
done

last() { echo "$((stop_stage < $1 ? stop_stage : $1))"; }

"${run[@]}" --stage "${stage}" --stop_stage "$(last 5)"
for row in ${system}; do
    for seed in ${seeds}; do
        "${run[@]}" --system "${row}" --seed "${seed}" --skip_data_prep true \
            --stage "${stage}" --stop_stage "$(last 12)"
    done
    if [ "${stop_stage}" -ge 13 ]; then
        "${run[@]}" --system "${row}" --score_seeds "${seeds}" --skip_data_prep true \
            --skip_train true --stage 13 --stop_stage 13
    fi
done
if [ "${stop_stage}" -ge 13 ]; then run show_results "${results}"; fi

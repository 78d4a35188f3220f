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
if [ ! -e path.sh ]; then cd "${SLURM_SUBMIT_DIR:-${PBS_O_WORKDIR}}"; OLDPWD=${PWD}; fi  # a copy is run
. ./path.sh
. ../slu.sh
option_files=(run_systems.sh)

# Options of this script
system=all            # rows, with a space between
systems=              # the table; default: systems/table3.yaml, or systems/mini.yaml
seeds="0 1 2"         # of training
speech_model=         # of the rows that name none
text_model=
mini=false            # the embedded corpus and its models
size=full             # of the embedded corpus
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
check_seeds
. ./cmd.sh
systems=${systems:-systems/table3.yaml}
results=${results:-${expdir}/results.json}
run=(./run.sh "${other_options[@]}" --mini "${mini}" --size "${size}" --expdir "${expdir}"
    --results "${results}" --systems "${systems}" ${speech_model:+--speech_model "${speech_model}"}
    ${text_model:+--text_model "${text_model}"})
rows=$(run systems --table "${systems}")  # this checks the whole table
if [ "${system}" = all ]; then system=${rows}; fi
for row in ${system}; do
    run systems --table "${systems}" --system "${row}" > /dev/null  # is there such a row?
done
"${run[@]}" --help > /dev/null  # are there such options?
if ! "${mini}" && [ "${stage}" -le 12 ] && [ "${stop_stage}" -ge 10 ]; then
    run check_run --table "${systems}" --systems "${system}" --speech_model "${speech_model}" \
        --text_model "${text_model}"
fi

last() { echo "$((stop_stage < $1 ? stop_stage : $1))"; }

if [ "${stage}" -le "$(last 5)" ]; then
    "${run[@]}" --stage "${stage}" --stop_stage "$(last 5)"
fi
for row in ${system}; do
    for seed in ${seeds}; do
        [ "${stage}" -le "$(last 12)" ] || continue
        "${run[@]}" --system "${row}" --seed "${seed}" --skip_data_prep true \
            --stage "${stage}" --stop_stage "$(last 12)"
    done
    if [ "${stop_stage}" -ge 13 ]; then
        "${run[@]}" --system "${row}" --score_seeds "${seeds}" --skip_data_prep true \
            --skip_train true --stage 13 --stop_stage 13
    fi
done
if [ "${stop_stage}" -ge 13 ]; then run show_results "${results}"; fi

#!/usr/bin/env bash
# Stage 13: score what was decoded, once per test set; several decoded folders are seeds of one
# system. Without reference labels write SLUE's submission file instead.
#
#   local/score.sh --name wabert --raw dump/raw --scores exp/wabert/scores  DECODED...
set -euo pipefail
. ./path.sh
. ../parse_options.sh

# Options
name=wabert           # of the system in the results
raw=dump/raw          # formatted data folders with the references
scores=               # folder of the scores
train_set=fine_tune   # its labels tell the majority class
test_sets="dev test"  # the last one with labels is the one in the results
hypotheses=           # of a pipeline: the recognizer's text, one folder per set
parts=                # 'utterance part': score each part too; may be missing
results=              # merge the scores into this results.json
# End of options
options=()
while [[ "${1:-}" = --* ]]; do options+=("${@:1:2}"); shift 2; done
parse_options "${options[@]}"
run() { "${python}" -m "espnet_wabert.bin.$@"; }

for set in ${test_sets}; do
    reference=${raw}/${set}/sentiment
    mkdir -p "${scores}/${set}"
    if [ ! -f "${reference}" ]; then
        for folder in "$@"; do
            run score_sentiment --hyp "${folder}/${set}/sentiment" \
                --utterances "${raw}/${set}/wav.scp" --submission "${folder}/${set}/submission.tsv"
        done
        continue
    fi
    more=()
    for folder in "$@"; do more+=(--hyp "${folder}/${set}/sentiment"); done
    if [ -n "${hypotheses}" ]; then
        more+=(--transcripts "${raw}/${set}/text" "${hypotheses}/${set}/text")
    fi
    if [ -f "${parts}" ]; then  # the embedded corpus: is the label in the text or in the voice?
        awk 'NR == FNR { known[$1]; next } $1 in known' "${reference}" "${parts}" \
            > "${scores}/${set}/parts"
        more+=(--subset "${scores}/${set}/parts")
    fi
    run score_sentiment --name "${name}" --ref "${reference}" \
        --train_ref "${raw}/${train_set}/sentiment" --out "${scores}/${set}/scores.json" \
        --picture "${scores}/${set}/confusion.png" ${results:+--results "${results}"} "${more[@]}"
done

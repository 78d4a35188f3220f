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
test_sets="dev test"  # the last one with labels is the main one in the results
hypotheses=           # of a pipeline: the recognizer's text, one folder per set
v01=                  # the utterances of v0.1's dev set among those of dev; may be missing
parts=                # 'utterance part': score each part too; may be missing
results=              # merge the scores into this results.json
# End of options
options=()
while [[ "${1:-}" = --* ]]; do
    options+=("${@:1:2}")
    shift $(($# > 1 ? 2 : 1))
done
parse_options "${options[@]}"
[ $# -gt 0 ] || die "name the decoded folders after the options"
run() { "${python}" -m "espnet_wabert.bin.$@"; }

# lines_of IDS FILE: the lines of FILE whose utterances are in IDS, another file.
lines_of() { awk 'NR == FNR { known[$1]; next } $1 in known' "$1" "$2"; }

score_v01() {  # DECODED...: the paper's set
    local folder own made_by number=0 more=()
    mkdir -p "${scores}/dev_v0.1"
    lines_of "${v01}" "${raw}/dev/sentiment" > "${scores}/dev_v0.1/sentiment"
    for folder in "$@"; do
        number=$((number + 1))
        own=${scores}/dev_v0.1/${number}
        mkdir -p "${own}"
        lines_of "${v01}" "${folder}/dev/sentiment" > "${own}/sentiment"
        made_by=${folder}/dev/provenance.json
        if [ -f "${made_by}" ]; then cp "${made_by}" "${own}"; fi
        more+=(--hyp "${own}/sentiment")
    done
    "${score[@]}" --ref "${scores}/dev_v0.1/sentiment" --set dev_v0.1 "${more[@]}"
}

# not_scored SET REASON: no scores of an earlier run stay.
not_scored() {
    echo "${name}: $1: not scored: $2"
    rm -f "${scores}/$1/scores.json"
}

main_set=""  # the same for all systems: the rows of a table are about one set
for set in ${test_sets}; do
    if [ -f "${raw}/${set}/sentiment" ]; then main_set=${set}; fi
done
for set in ${test_sets}; do
    reference=${raw}/${set}/sentiment
    if [ ! -f "$1/${set}/sentiment" ]; then
        not_scored "${set}" "the system reads transcripts, and ${set} has none"
        continue
    fi
    mkdir -p "${scores}/${set}"
    if [ ! -f "${reference}" ]; then
        not_scored "${set}" "it has no labels; a file for SLUE's organizers instead"
        for folder in "$@"; do
            run score_sentiment --hyp "${folder}/${set}/sentiment" \
                --utterances "${raw}/${set}/wav.scp" --submission "${folder}/${set}/submission.tsv"
        done
        continue
    fi
    more=()
    for folder in "$@"; do more+=(--hyp "${folder}/${set}/sentiment"); done
    if [ -n "${hypotheses}" ] && [ ! -f "${raw}/${set}/text" ]; then
        echo "${name}: ${set}: no word error rate: it has no transcripts"
    elif [ -n "${hypotheses}" ]; then
        more+=(--transcripts "${raw}/${set}/text" "${hypotheses}/${set}/text")
    fi
    if [ "${set}" != "${main_set}" ]; then more+=(--set "${set}"); fi
    if [ -f "${parts}" ]; then  # the embedded corpus: is the label in the text or in the voice?
        lines_of "${reference}" "${parts}" > "${scores}/${set}/parts"
        more+=(--subset "${scores}/${set}/parts")
    fi
    score=(run score_sentiment --name "${name}" --train_ref "${raw}/${train_set}/sentiment"
        ${results:+--results "${results}"})
    "${score[@]}" --ref "${reference}" --out "${scores}/${set}/scores.json" \
        --picture "${scores}/${set}/confusion.png" "${more[@]}"
    if [ "${set}" = dev ] && [ -f "${v01}" ]; then score_v01 "$@"; fi
done

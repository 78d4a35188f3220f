#!/usr/bin/env bash
# Train the models in the box: 33 hours of natural voices, alignment, reading and sentiment.
# What was done before is not done again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export HF_HUB_OFFLINE=1
python=${PWD}/.venv/bin/python
box=exp/box
align=${box}/librispeech_wabert
begin=${SECONDS}
options=(--mini true --size box --skip_done true)

egs2/librispeech_wabert/run.sh "${options[@]}" --slu_config conf/box/align.yaml --stop_stage 11
"${python}" -m espnet_wabert.bin.make_ngram --text ${align}/dump/raw/train_960/text \
    --vocabulary ${align}/dump/token_list/vocab.txt --out ${align}/exp/align/ngram.arpa.gz
egs2/librispeech_wabert/run.sh "${options[@]}" --slu_config conf/box/align.yaml \
    --stage 12 --stop_stage 13
egs2/slue_sa/run.sh "${options[@]}" --slu_config conf/box/sentiment.yaml --stop_stage 13

for pair in aligner:${align}/exp/align/valid.loss.ave.pth \
    sentiment:${box}/slue_sa/exp/sentiment/valid.macro_f1.ave.pth; do
    "${python}" -m espnet_wabert.bin.make_box --model "${pair#*:}" --out "espnet_wabert/box/${pair%%:*}"
done
"${python}" -m espnet_wabert.bin.show_results ${box}/results.json
echo "$((SECONDS - begin)) s"

#!/usr/bin/env bash
# Train the models in the box: alignment and reading on 31 hours of natural voices and 21 hours of
# actors' recordings, sentiment on texts.
# What was done before is not done again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export HF_HUB_OFFLINE=1
python=${PWD}/.venv/bin/python
box=exp/box
align=${box}/librispeech_wabert
begin=${SECONDS}
options=(--mini true --size box --skip_done true)

"${python}" -m espnet_wabert.bin.fetch_sources --actors
egs2/librispeech_wabert/run.sh "${options[@]}" --slu_config conf/box/align.yaml --stop_stage 11
"${python}" -m espnet_wabert.bin.make_ngram --text ${align}/dump/raw/train_960/text \
    --vocabulary ${align}/dump/token_list/vocab.txt --general_weight 0.9 --entries 650000 \
    --out ${align}/exp/align/ngram.arpa.gz
egs2/librispeech_wabert/run.sh "${options[@]}" --slu_config conf/box/align.yaml \
    --stage 12 --stop_stage 13
"${python}" -m espnet_wabert.bin.make_box --model ${align}/exp/align/valid.loss.ave.pth \
    --out espnet_wabert/box/aligner --classifier box:sentiment \
    --recognizer package:whisper-tiny.en

# Sentiment: trained on texts; the test sets are read by the aligned model first.
texts=${box}/rated_texts
sentiment=${box}/sentiment
"${python}" -m espnet_wabert.bin.make_rated_texts --size box --out ${texts}
data=()
for set in train valid; do
    data+=(--${set}_data_path_and_name_and_type ${texts}/${set}/text,text,text
        --${set}_data_path_and_name_and_type ${texts}/${set}/sentiment,sentiment,text
        --${set}_shape_file ${texts}/${set}/text_shape)
done
"${python}" -m espnet_wabert.bin.train --config conf/box/sentiment.yaml "${data[@]}" --resume true \
    --token_list ${align}/dump/token_list/vocab.txt --output_dir ${sentiment}
"${python}" -m espnet_wabert.bin.make_box --model ${sentiment}/valid.macro_f1.ave.pth \
    --out espnet_wabert/box/sentiment
egs2/slue_sa/run.sh "${options[@]}" --slu_config conf/box/sentiment.yaml --stop_stage 5
dump=${PWD}/${box}/slue_sa/dump/raw
for set in dev test; do
    .venv/bin/wabert transcribe ${dump}/${set}/wav.scp --out ${sentiment}/read/${set}/text
done
decode=("${python}" -m espnet_wabert.bin.decode --model box:sentiment --dump "${dump}"
    --sets "dev test")
"${decode[@]}" --texts ${sentiment}/read --out ${sentiment}/of_read
"${decode[@]}" --out ${sentiment}/of_transcripts
cd egs2/slue_sa
score=(local/score.sh --raw "${dump}" --parts ../../${box}/corpora/slue-voxceleb/parts.tsv
    --results ../../${box}/results.json)
sentiment=../../${sentiment}
"${score[@]}" --name box --hypotheses ${sentiment}/read --scores ${sentiment}/scores \
    ${sentiment}/of_read
"${score[@]}" --name box_transcripts --scores ${sentiment}/scores_transcripts \
    ${sentiment}/of_transcripts
cd ../..

"${python}" -m espnet_wabert.bin.show_results ${box}/results.json
echo "$((SECONDS - begin)) s"

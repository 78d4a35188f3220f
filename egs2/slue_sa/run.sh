#!/usr/bin/env bash
# Fine-tune WaBERT for sentiment on SLUE-VoxCeleb and score it as SLUE does (paper, section 4.2).
#
#   ./run.sh --stage 1 --stop_stage 13      the real corpus, from ../librispeech_wabert's model
#   ./run.sh --mini true                    the embedded corpus and its models, on a CPU
#   ./run.sh --system all --seeds "0 1 2"   every row of Table 3, with means over seeds; so too mini
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../recipe.sh
. ./systems.sh

# Options
stage=1               # first stage
stop_stage=13         # last stage: 14 packs the model, 15 uploads it
skip_data_prep=false  # skip stages 1 to 5
skip_train=false      # skip stages 10 and 11
skip_eval=false       # skip stages 12 and 13
skip_packing=false    # skip stage 14
skip_upload=true      # skip stage 15
skip_done=false       # skip what was done before with the same options
mini=false            # the embedded corpus; only the data root, the models and the yaml change
ngpu=$(count_gpus)    # GPUs for training
nj=$(nproc)           # processes for audio files
expdir=exp            # experiments
dumpdir=dump          # what the stages make of the data
datadir=data          # Kaldi data folders
corpora=downloads     # where corpora are, or are downloaded to
slue=                 # SLUE-VoxCeleb's folder; default: CORPORA/slue-voxceleb
slue_version=v0.2     # v0.1 has the paper's dev set
slue_labels=          # the test labels (gated hub copy): .tsv, .parquet or folder
trim=true             # use start_second to end_second, as the SLUE toolkit does
speed_perturb_factors=  # such as "0.9 1.0 1.1"
skip_bad=false        # leave unreadable utterances out (they are listed) instead of stopping
system=               # rows of Table 3, such as "nlp_bert_b wabert_i3", or all; "" is --config's
systems=systems.txt   # the table of rows: what each is made of
seeds=0               # of training, such as "0 1 2": scores are means over them
config=../../conf/sentiment_bert_i3.yaml  # without --system: the model and its fine-tuning
speech_model=         # another speech encoder than the yaml's: name or folder
language_model=bert-base-uncased      # BERT, or a text encoder: name or folder
recognizer=           # of the rows that leave it to this option: name or folder
ngrams=               # folder of n-grams for CTC decoding; default: CORPORA/ngrams
alignments=../librispeech_wabert/exp  # the aligned models that rows start from
align_args="--skip_done true"         # for ../librispeech_wabert/run.sh where one is missing
cache_features=false  # compute a wholly frozen frontend's features once
pretrained_model=../librispeech_wabert/exp/align_bert_i3/valid.loss.ave.pth  # .pth or packed .zip
train_args=           # more arguments for training, such as "--max_epoch 1"
inference_model=valid.acc.ave.pth     # which checkpoint to decode with
batch_seconds=60      # audio a batch in decoding and caching
download_model=       # decode with this packed model (.zip or hub tag) instead of a trained one
results=              # merge the scores into this results.json
hf_repo=              # stage 15: the hub's repository, such as you/wabert
# End of options
parse_options "$@"
if "${mini}"; then
    corpora=../../exp/mini/corpora
    expdir=../../exp/mini/slue_sa/exp
    dumpdir=../../exp/mini/slue_sa/dump
    datadir=../../exp/mini/slue_sa/data
    config=../../conf/mini/sentiment_prosody.yaml
    systems=systems_mini.txt
    speech_model=${corpora}/models/whisper-tiny.en
    recognizer=${corpora}/models/whisper-tiny.en
    language_model=${corpora}/models/minilm-l6
    cache_features=true
    alignments=../../exp/mini/librispeech_wabert/exp
    align_args="--mini true --skip_done true"
    pretrained_model=${alignments}/align/valid.loss.ave.pth
    results=../../exp/mini/results.json
    parse_options "$@"  # what is said stands
fi
download=$([ -z "${slue}" ] && echo true || echo false)  # a named folder must be there
slue=${slue:-${corpora}/slue-voxceleb}
ngrams=${ngrams:-${corpora}/ngrams}

# A packed model takes audio: its features are cached for training only.
if [ -n "${download_model}" ]; then cache_features=false; fi
[ -f "${config}" ] || die "${config}: no such configuration"

given_speech_model=${speech_model} given_language_model=${language_model}
[ -f "${systems}" ] || die "${systems}: no such table of systems"
rows=given  # --config's
if [ -n "${system}" ]; then rows=${system}; fi
if [ "${system}" = all ]; then rows=$(row_names); fi
if [ -n "${system}" ]; then
    (for row in ${rows}; do choose_row "${row}"; done)  # a wrong name ends here, not after hours
    results=${results:-${expdir}/results.json}
fi
row_recognizer="" row_ngram="" row_drop="" row_args="" row_model="" seed="" hyps=""

tag=$(basename "${config}" .yaml)
signed_options="speech_model language_model cache_features speed_perturb_factors skip_bad slue
    slue_version slue_labels trim pretrained_model train_args inference_model download_model
    row_recognizer row_ngram row_drop seed hyps"
if [ -n "${system}" ]; then signed_options+=" row_args"; fi
train_set=fine_tune
valid_set=dev
test_sets="dev test"
vocabulary=${dumpdir}/token_list/vocab.txt
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
run() { "$python" -m "espnet_wabert.bin.$@"; }

if ! "${skip_data_prep}"; then
    if stage 1 "data preparation"; then
        if "${mini}"; then
            run make_mini --out "${corpora}" --nj "${nj}"
        elif "${download}" && [ ! -d "${slue}" ]; then
            run download_corpus slue --version "${slue_version}" --out "${corpora}"
        fi
        labels=()
        if [ -n "${slue_labels}" ]; then labels=(--labels "${slue_labels}"); fi
        for pair in fine-tune:${train_set} dev:dev test:test; do
            run prepare_data slue --corpus "${slue}" --split ${pair%%:*} --version ${slue_version} \
                --trim ${trim} --nj "${nj}" --skip_bad "${skip_bad}" "${labels[@]}" \
                --out "${datadir}/${pair##*:}"
        done
    fi

    if stage 2 "speed perturbation"; then
        if [ -n "${speed_perturb_factors}" ]; then
            run perturb_speed --data "${datadir}/${train_set}" --out "${datadir}/${train_set}_sp" \
                --factors "${speed_perturb_factors}"
        else
            echo "no factors given: nothing to do"
        fi
    fi
    suffix=${speed_perturb_factors:+_sp}

    if stage 3 "format wav.scp"; then
        for name in ${train_set}${suffix} ${test_sets}; do
            run format_wav --data "${datadir}/${name}" --out "${dumpdir}/raw/org/${name%_sp}" \
                --nj "${nj}" --skip_bad "${skip_bad}"
        done
    fi

    if stage 4 "remove long and short data"; then
        # Train only: every dev and test utterance is scored.
        run filter_lengths --data "${dumpdir}/raw/org/${train_set}" \
            --out "${dumpdir}/raw/${train_set}" --tokenizer "${language_model}"
        for name in ${test_sets}; do
            run combine_data --out "${dumpdir}/raw/${name}" "${dumpdir}/raw/org/${name}"
        done
    fi

    if stage 5 "token list"; then
        run make_vocabulary --config "${config}" --language_model "${language_model}" \
            --out "${vocabulary}"
    fi
fi

for number in 6 7 8; do
    if stage ${number} "language model"; then echo "BERT is the language model: skipped"; fi
done

if stage 9 "n-gram"; then
    found=""
    for row in ${rows}; do
        if [ -n "${system}" ]; then choose_row "${row}"; fi
        if [ -n "${row_ngram}" ] && [ ! -f "${row_ngram}" ]; then
            run download_corpus ngram --name "$(basename "${row_ngram}" .arpa)" --out "${ngrams}"
        fi
        found=${found}${row_ngram}
    done
    if [ -z "${found}" ]; then echo "no row decodes with one: nothing to do"; fi
fi

# train: stages 10 and 11 of the row and seed at hand.
train() {
    if stage 10 "statistics"; then
        if caches; then
            run extract_features --config "${config}" --speech_model "${speech_model}" \
                --dump "${dumpdir}/raw" --sets "${train_set} ${test_sets}" \
                --out "$(feats)" --batch_seconds "${batch_seconds}" --device ${device}
        fi
        for name in ${train_set} ${valid_set}; do
            run collect_stats --data "${dumpdir}/raw/${name}" --feats "$(feats ${name})" \
                --out "${expdir}/stats/${tag}/${name}"
        done
    fi

    if stage 11 "fine-tuning"; then
        local inputs=() pair part name raw source
        for pair in train:${train_set} valid:${valid_set}; do
            part=${pair%%:*} name=${pair##*:}
            raw=${dumpdir}/raw/${name}
            source="${raw}/wav.scp,speech,sound"
            if caches; then source="$(feats ${name})/feats.scp,speech,kaldi_ark"; fi
            if reads_text; then source="${raw}/text,text,text"; fi
            if trains_on_text; then
                inputs+=(--${part}_data_path_and_name_and_type "${raw}/text,text,text")
            fi
            inputs+=(
                --${part}_data_path_and_name_and_type "${source}"
                --${part}_data_path_and_name_and_type "${raw}/sentiment,sentiment,text"
                --${part}_shape_file "${expdir}/stats/${tag}/${name}/speech_shape"
            )
        done
        if reads_text; then
            inputs+=(--frontend_conf "model_name_or_path=${language_model}")
        else
            inputs+=(--postencoder_conf "model_name_or_path=${language_model}")
            if [ -n "${speech_model}" ]; then
                inputs+=(--frontend_conf "model_name_or_path=${speech_model}")
            fi
            if [ -n "${pretrained_model}" ]; then
                inputs+=(--pretrained_model "${pretrained_model}")
            fi
        fi
        train_model "${exp}" --config "${config}" --resume true --seed "${seed}" "${inputs[@]}" \
            --token_list "${vocabulary}" $(drop_args) ${row_args} ${train_args}
    fi
}

# decode: stage 12. A pipeline's text is its recognizer's, whatever the seed and the text model.
decode() {
    if stage 12 "decoding"; then
        local texts=()
        if [ "${row_recognizer}" = transcripts ]; then
            texts=(--texts "${dumpdir}/raw")
        elif [ -n "${row_recognizer}" ]; then
            texts=(--texts "${heard}")
            run transcribe --recognizer "${row_recognizer}" --ngram "${row_ngram}" \
                --dump "${dumpdir}/raw" --sets "${test_sets}" --out "${heard}" \
                --batch_seconds "${batch_seconds}" --device ${device}
        fi
        run decode --model "${model}" --dump "${dumpdir}/raw" --sets "${test_sets}" \
            --feats "$(feats)" "${texts[@]}" --out "${decoded}" --batch_seconds "${batch_seconds}" \
            --device ${device}
    fi
}

# score: stage 13, of all seeds.
score() {
    if stage 13 "scoring"; then
        local name folder into ref
        for name in ${test_sets}; do
            ref=${dumpdir}/raw/${name}/sentiment
            into=(--out "${scores}/${name}/scores.json")
            mkdir -p "${scores}/${name}"
            if [ ! -f "${ref}" ]; then
                for folder in ${hyps}; do
                    run score_sentiment --hyp "${folder}/${name}/sentiment" \
                        --utterances "${dumpdir}/raw/${name}/wav.scp" \
                        --submission "${folder}/${name}/submission.tsv"
                done
                continue
            fi
            for folder in ${hyps}; do into+=(--hyp "${folder}/${name}/sentiment"); done
            # The last set with labels is the one that counts: test, or dev without its labels.
            if [ -n "${results}" ]; then into+=(--results "${results}"); fi
            if [ -n "${row_recognizer}" ] && [ "${row_recognizer}" != transcripts ]; then
                into+=(--transcripts "${dumpdir}/raw/${name}/text" "${heard}/${name}/text")
            fi
            if [ -f "${slue}/parts.tsv" ]; then  # the embedded corpus: where the label is carried
                awk 'NR == FNR { known[$1]; next } $1 in known' "${ref}" "${slue}/parts.tsv" \
                    > "${scores}/${name}/parts"
                into+=(--subset "${scores}/${name}/parts")
            fi
            run score_sentiment --ref "${ref}" --name "${row_name}" \
                --train_ref "${dumpdir}/raw/${train_set}/sentiment" "${into[@]}" \
                --picture "${scores}/${name}/confusion.png"
        done
    fi
}

for row in ${rows}; do
    row_name=wabert row_folder=${tag} scores=${expdir}/${tag}/decode
    if [ -n "${system}" ]; then
        choose_row "${row}"
        row_name=${row} row_folder=${row_model} scores=${expdir}/${row}/scores
        if ! "${skip_train}"; then train_aligner; fi
    fi
    heard=${expdir}/heard/$(basename "${row_recognizer:-none}")${row_ngram:+_$(basename "${row_ngram}" .arpa)}
    hyps=""
    for seed in ${seeds}; do
        exp=${expdir}/${row_folder} decoded=${expdir}/${row_folder}/decode
        if [ -n "${system}" ]; then
            exp=${expdir}/${row_folder}/seed${seed} decoded=${expdir}/${row}/seed${seed}/decode
            tag=${row_folder}_seed${seed}
        elif [ "${seeds}" != "${seed}" ]; then
            exp=${exp}/seed${seed} decoded=${exp}/seed${seed}/decode
        fi
        model=${download_model:-${exp}/${inference_model}}
        # A row that has another's model trains it only if that row did not.
        if [ "${row_name}" = "${row_model:-${row_name}}" ] || [ ! -f "${model}" ]; then
            if ! "${skip_train}" && [ -z "${download_model}" ]; then train; fi
        fi
        if [ -n "${system}" ]; then tag=${row}_seed${seed}; fi
        if ! "${skip_eval}"; then decode; fi
        hyps="${hyps} ${decoded}"
    done
    if [ -n "${system}" ]; then tag=${row}; fi
    if ! "${skip_eval}"; then score; fi

    if ! "${skip_packing}"; then
        if stage 14 "pack"; then
            run pack --model "${model}" --out "${exp}/${row_folder}.zip"
        fi
    fi

    if ! "${skip_upload}"; then
        if stage 15 "upload"; then
            [ -n "${hf_repo}" ] || die "--hf_repo names no repository"
            "$python" -m huggingface_hub.cli.hf upload "${hf_repo}" "${exp}/${row_folder}.zip"
        fi
    fi
done
end_stage
if [ -n "${system}" ] && [ "${stop_stage}" -ge 13 ] && ! "${skip_eval}"; then
    run show_results "${results}"
fi

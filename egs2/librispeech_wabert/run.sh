#!/usr/bin/env bash
# Align speech with BERT on LibriSpeech (paper, sections 3 and 4.1).
#
#   ./run.sh --stage 1 --stop_stage 13      the paper's run: 960 h, data2vec and BERT base
#   ./run.sh --mini true                    the embedded corpus and its models, on a CPU
#
# Tables 1 and 2, one command a loss (conf/mini/ with --mini true):
#
#   ./run.sh --config ../../conf/table1_infonce.yaml --seeds "0 1 2"
#   ./run.sh --config ../../conf/table1_cosine.yaml --seeds "0 1 2" --stage 10
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../recipe.sh

# Options
stage=1               # first stage
stop_stage=13         # last stage: 14 packs the model, 15 uploads it, 16 draws figures
skip_data_prep=false  # skip stages 1 to 5
skip_train=false      # skip stages 10 and 11
skip_eval=false       # skip stages 12, 13 and 16
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
librispeech=          # LibriSpeech's folder; default: CORPORA/LibriSpeech
timit=                # TIMIT's folder, for Tables 1 and 2; default: CORPORA/TIMIT, if it is there
more_data=            # train on these formatted data folders too, such as one of ../slue_sa/dump/raw
speed_perturb_factors=  # such as "0.9 1.0 1.1"
skip_bad=false        # leave unreadable utterances out (they are listed) instead of stopping
config=../../conf/align_bert_i3.yaml  # the model and its training
speech_model=         # another speech encoder than the yaml's: name or folder
language_model=bert-base-uncased      # BERT: name or folder
cache_features=false  # compute a wholly frozen frontend's features once
pretrained_model=     # an aligned model to start from: .pth or .zip
seeds=                # such as "0 1 2": a model a seed, in EXPDIR/<config>_seed<n>, scored as one
train_args=           # more arguments for training, such as "--max_epoch 1"
inference_model=valid.loss.ave.pth    # which checkpoint to decode with
batch_seconds=60      # audio a batch in decoding and caching
download_model=       # decode with this packed model (.zip or hub tag) instead of a trained one
results=              # merge the scores into this results.json
results_key=          # there, under this name; default: alignment, for Table 1 alignment_table1
baseline=             # stage 16: a model of the other loss, to be drawn beside this one
utterance=            # stage 16: the one to draw; default: a representative one
hf_repo=              # stage 15: the hub's repository, such as you/wabert
# End of options
parse_options "$@"
if "${mini}"; then
    corpora=../../exp/mini/corpora
    expdir=../../exp/mini/librispeech_wabert/exp
    dumpdir=../../exp/mini/librispeech_wabert/dump
    datadir=../../exp/mini/librispeech_wabert/data
    config=../../conf/mini/align.yaml
    speech_model=${corpora}/models/whisper-tiny.en
    language_model=${corpora}/models/minilm-l6
    cache_features=true
    results=../../exp/mini/results.json
    parse_options "$@"  # what is said stands
fi
download=$([ -z "${librispeech}" ] && echo true || echo false)  # a named folder must be there
librispeech=${librispeech:-${corpora}/LibriSpeech}
timit=${timit:-${corpora}/TIMIT}

# A packed model takes audio: its features are cached for training only.
if [ -n "${download_model}" ]; then cache_features=false; fi
[ -f "${config}" ] || die "${config}: no such configuration"

tag=$(basename "${config}" .yaml)
signed_options="speech_model language_model cache_features speed_perturb_factors skip_bad
    pretrained_model train_args inference_model download_model librispeech timit"
for name in seeds results_key baseline utterance more_data; do
    if [ -n "${!name}" ]; then signed_options+=" ${name}"; fi
done
exp=${expdir}/${tag}
# One folder a model: the configuration's own, or one a seed.
read -ra seed_list <<< "${seeds}"
exps=("${exp}")
if [ -n "${seeds}" ]; then exps=("${seed_list[@]/#/${exp}_seed}"); fi
[[ "${seeds}" =~ ^([0-9]+( [0-9]+)*)?$ ]] || die "--seeds '${seeds}': numbers with a space between"
[ -z "${download_model}" ] || [ -z "${seeds}" ] || die "--download_model is one model: no --seeds"
# Table 1 has models of its own, whose scores do not replace the main ones.
if [ -z "${results_key}" ]; then
    case "${tag}" in table1*) results_key=alignment_table1 ;; *) results_key=alignment ;; esac
fi
train_set=train_960
if [ -n "${more_data}" ]; then train_set=train_more; fi
valid_set=dev
test_sets="dev_clean dev_other test_clean test_other"
vocabulary=${dumpdir}/token_list/vocab.txt
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
model_of() { echo "${download_model:-$1/${inference_model}}"; }
run() { "$python" -m "espnet_wabert.bin.$@"; }
feats() { if "${cache_features}"; then echo "${dumpdir}/feats/${1:-}"; fi; }

if ! "${skip_data_prep}"; then
    if stage 1 "data preparation"; then
        if "${mini}"; then
            run make_mini --out "${corpora}" --nj "${nj}"
        elif "${download}" && [ ! -d "${librispeech}" ]; then
            run download_corpus librispeech --out "${corpora}" --parts \
                train-clean-100,train-clean-360,train-other-500,dev-clean,dev-other,test-clean,test-other
        fi
        prepare="prepare_data librispeech --corpus ${librispeech} --nj ${nj} --skip_bad ${skip_bad}"
        run ${prepare} --parts train-clean-100,train-clean-360,train-other-500 --word_times false \
            --out "${datadir}/train_960"
        if [ -n "${more_data}" ]; then
            run combine_data --without "sentiment words" --out "${datadir}/${train_set}" \
                "${datadir}/train_960" ${more_data}
        fi
        for part in dev-clean dev-other test-clean test-other; do
            run ${prepare} --parts ${part} --out "${datadir}/${part//-/_}"
        done
        run combine_data --out "${datadir}/${valid_set}" "${datadir}"/dev_{clean,other}
        if [ -d "${timit}" ]; then
            run prepare_data timit --corpus "${timit}" --split test --out "${datadir}/timit_test"
        else
            echo "no TIMIT in ${timit}: word boundaries are scored where LibriSpeech has word times"
        fi
    fi
fi
if [ -d "${timit}" ]; then test_sets+=" timit_test"; fi  # stage 1 of --mini makes it

if ! "${skip_data_prep}"; then
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
        for name in ${train_set}${suffix} ${valid_set}; do
            run format_wav --data "${datadir}/${name}" --out "${dumpdir}/raw/org/${name%_sp}" \
                --nj "${nj}" --skip_bad "${skip_bad}"
        done
        for name in ${test_sets}; do
            run format_wav --data "${datadir}/${name}" --out "${dumpdir}/raw/${name}" \
                --nj "${nj}" --skip_bad "${skip_bad}"
        done
    fi

    if stage 4 "remove long and short data"; then
        for name in ${train_set} ${valid_set}; do
            run filter_lengths --data "${dumpdir}/raw/org/${name}" --out "${dumpdir}/raw/${name}" \
                --tokenizer "${language_model}"
        done
    fi

    if stage 5 "token list"; then
        run make_vocabulary --config "${config}" --language_model "${language_model}" \
            --out "${vocabulary}"
    fi
fi

for number in 6 7 8 9; do
    if stage ${number} "language model"; then echo "BERT is the language model: skipped"; fi
done

if ! "${skip_train}" && [ -z "${download_model}" ]; then
    if stage 10 "statistics"; then
        if "${cache_features}"; then
            run extract_features --config "${config}" --speech_model "${speech_model}" \
                --dump "${dumpdir}/raw" --sets "${train_set} ${valid_set} ${test_sets}" \
                --out "${dumpdir}/feats" --batch_seconds "${batch_seconds}" --device ${device}
        fi
        for name in ${train_set} ${valid_set}; do
            run collect_stats --data "${dumpdir}/raw/${name}" --feats "$(feats ${name})" \
                --vocabulary "${vocabulary}" --out "${expdir}/stats/${tag}/${name}"
        done
    fi

    if stage 11 "training"; then
        inputs=()
        for pair in train:${train_set} valid:${valid_set}; do
            part=${pair%%:*} name=${pair##*:}
            raw=${dumpdir}/raw/${name}
            speech="${raw}/wav.scp,speech,sound"
            if "${cache_features}"; then speech="$(feats ${name})/feats.scp,speech,kaldi_ark"; fi
            inputs+=(
                --${part}_data_path_and_name_and_type "${speech}"
                --${part}_data_path_and_name_and_type "${raw}/text,text,text"
                --${part}_shape_file "${expdir}/stats/${tag}/${name}/speech_shape"
                --${part}_shape_file "${expdir}/stats/${tag}/${name}/text_shape"
            )
        done
        if [ -n "${speech_model}" ]; then inputs+=(--frontend_conf "model_name_or_path=${speech_model}"); fi
        if [ -n "${pretrained_model}" ]; then inputs+=(--pretrained_model "${pretrained_model}"); fi
        for dir in "${exps[@]}"; do
            seed=()
            if [ -n "${seeds}" ]; then seed=(--seed "${dir##*_seed}"); fi
            train_model "${dir}" --config "${config}" --token_list "${vocabulary}" --resume true \
                --postencoder_conf "model_name_or_path=${language_model}" "${inputs[@]}" \
                "${seed[@]}" ${train_args}
        done
    fi
fi

if ! "${skip_eval}"; then
    if stage 12 "decoding"; then
        for dir in "${exps[@]}"; do
            run decode --model "$(model_of "${dir}")" --dump "${dumpdir}/raw" \
                --sets "${test_sets}" --feats "$(feats)" --out "${dir}/decode" \
                --batch_seconds "${batch_seconds}" --device ${device}
        done
    fi

    if stage 13 "scoring"; then
        decoded=()
        for dir in "${exps[@]}"; do decoded+=(--decode "${dir}/decode"); done
        run score_decoding --config "${config}" --dump "${dumpdir}/raw" "${decoded[@]}" \
            --sets "${test_sets}" --out "${exp}/RESULTS.md" --results "${results}" \
            --key "${results_key}"
    fi
fi

if ! "${skip_packing}"; then
    if stage 14 "pack"; then
        for dir in "${exps[@]}"; do
            run pack --model "$(model_of "${dir}")" --out "${dir}/$(basename "${dir}").zip"
        done
    fi
fi

if ! "${skip_upload}"; then
    if stage 15 "upload"; then
        [ -n "${hf_repo}" ] || die "--hf_repo names no repository"
        "$python" -m huggingface_hub.cli.hf upload "${hf_repo}" \
            "${exps[0]}/$(basename "${exps[0]}").zip"
    fi
fi

if ! "${skip_eval}"; then
    if stage 16 "figures and candidates"; then
        name=${test_sets##* } dir=${exps[0]}
        other=()
        if [ -n "${baseline}" ]; then other=(--baseline "${baseline}"); fi
        if [ -n "${utterance}" ]; then other+=(--utterance "${utterance}"); fi
        run figures --model "$(model_of "${dir}")" --data "${dumpdir}/raw/${name}" \
            --feats "$(feats ${name})" --out "${exp}/figures" --device ${device} "${other[@]}"
        # Table 4, where the model has a subword head.
        if ! grep -q '"top": \[\]' "${dir}/decode/${name}/decoding.jsonl"; then
            run show_candidates --decoding "${dir}/decode/${name}/decoding.jsonl" \
                --text "${dumpdir}/raw/${name}/text" --out "${exp}/CANDIDATES.md" \
                ${utterance:+--utterances "${utterance}"}
        fi
    fi
fi
end_stage

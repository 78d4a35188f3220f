#!/usr/bin/env bash
# Align speech with BERT on LibriSpeech (paper, sections 3 and 4.1).
#
#   ./run.sh --stage 1 --stop_stage 13      the paper's run: 960 h, data2vec and BERT base
#   ./run.sh --mini true                    the embedded corpus and its models, on a CPU
#
# Tables 1 and 2, one command per loss (conf/mini/ with --mini true):
#
#   ./run_seeds.sh --seeds "0 1 2" --slu_config ../../conf/table1_infonce.yaml
#   ./run_seeds.sh --seeds "0 1 2" --slu_config ../../conf/table1_cosine.yaml --stage 10
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [ ! -e path.sh ]; then cd "${SLURM_SUBMIT_DIR:-${PBS_O_WORKDIR}}"; OLDPWD=${PWD}; fi  # a copy is run
. ./path.sh
. ../slu.sh

# Options of this recipe
librispeech=          # LibriSpeech's folder; default: CORPORA/LibriSpeech
md5sums=              # checksums of the archives; default: those that OpenSLR publishes
train_parts=          # parts of LibriSpeech to train on, such as train-clean-100; default: 960 h
timit=                # TIMIT's folder, for Tables 1 and 2; default: CORPORA/TIMIT, if it exists
more_data=            # train on this formatted data folder too, such as ../slue_sa/dump/raw/fine_tune
train_word_times=true # read *.alignment.txt of the training data, if there (3 GB for 960 h)
slu_config=../../conf/align_bert_i3.yaml  # the model and its training
pretrained_model=     # an aligned model to start from: .pth, packed model or `box`
results_key=          # name of the scores in RESULTS; default: alignment, or alignment_table1
word_times_model=     # train on the word times that this model with graphemes finds: .pth or .zip
baseline=             # stage 16: a model with another loss, drawn beside this one
utterance=            # stage 16: the utterance to draw; default: a representative one
# End of options
parse_options "$@"
if "${mini}"; then
    set_mini_options
    slu_config=../../conf/mini/align.yaml
    parse_options "$@"  # options on the command line override those of --mini
fi
. ./cmd.sh

train_set=train_960
if [ -n "${train_parts}" ]; then train_set=${train_parts//[-,]/_}; fi
librispeech_set=${train_set}
if [ -n "${more_data}" ]; then train_set=train_more; fi
valid_set=dev
test_sets="dev_clean dev_other test_clean test_other"
need librispeech timit more_data baseline word_times_model
timit=${timit:-${corpora}/TIMIT}
if "${mini}" || [ -d "${timit}" ]; then test_sets+=" timit_test"; fi  # stage 1 of --mini makes it
tokenizer=${text_model}
model_options+=" utterance results_key word_times_model"
data_options+=" librispeech train_parts timit more_data train_word_times"
corpus_folder=${librispeech:-${corpora}/LibriSpeech}
finish_options
data_inputs=("${more_data}" "${timit}")
if "${mini}"; then data_inputs=(); fi  # stage 1 makes its corpora
read -ra tests <<< "${test_sets}"
# Table 1 has models of its own: their scores do not replace those of the main model.
if [ -z "${results_key}" ]; then
    case "${name}" in table1*) results_key=alignment_table1 ;; *) results_key=alignment ;; esac
fi

local_data_opts=(--mini "${mini}" --size "${size}" --corpora "${corpora}"
    --librispeech "${librispeech}" --train_parts "${train_parts}" --train_set "${librispeech_set}"
    --base_url "${base_url}" --md5sums "${md5sums}" --remove_archives "${remove_archives}"
    --timit "${timit}" --more_data "${more_data}" --train_word_times "${train_word_times}"
    --datadir "${datadir}" --nj "${nj}" --dask "${dask}" --skip_bad "${skip_bad}")
check_requirements
if ! "${skip_data_prep}"; then data_stages; fi

for number in 6 7 8 9; do
    if stage ${number} "language model"; then echo "BERT is the language model: skipped"; fi
done

stats_opts=(--vocabulary "${token_list}")
if ! "${skip_train}" && [ -z "${download_model}" ]; then train_stages; fi

if ! "${skip_eval}"; then
    if stage 12 "decoding" "${model_inputs[@]}" "${tests[@]/#/${dumpdir}/raw/}" \
        ${feats:+"${tests[@]/#/${feats}/}"} : "${tests[@]/#/${exp}/decode/}"
    then
        decode decode --model "${slu_model}" --dump "${dumpdir}/raw" --feats "${feats}" \
            --out "${exp}/decode"
    fi

    scored=() table=${exp}/RESULTS.md
    for set in ${test_sets}; do scored+=("${dumpdir}/raw/${set}" "${decoded[@]/%//${set}}"); done
    if stage 13 "scoring" "${scored[@]}" : "${table}" ${results:+"+${results}#${results_key}"}; then
        run score_decoding --config "${slu_config}" --slu_args "${slu_args}" \
            --dump "${dumpdir}/raw" "${decoded[@]/#/--decode=}" --sets "${test_sets}" \
            --out "${table}" --results "${results}" --key "${results_key}"
    fi
fi

pack_stages

if ! "${skip_eval}"; then
    set=${test_sets##* }
    if stage 16 "figures and subword predictions" "${model_inputs[@]}" "${dumpdir}/raw/${set}" \
        ${feats:+"${feats}/${set}"} "${exp}/decode/${set}" "${baseline}" : "${exp}/figures"
    then
        predictions=${exp}/decode/${set}/decoding.jsonl
        run_on "${inference_device}" figures --model "${slu_model}" --data "${dumpdir}/raw/${set}" \
            --feats "$(feats_of "${set}")" --out "${exp}/figures" --device "${inference_device}" \
            ${baseline:+--baseline "${baseline}"} ${utterance:+--utterance "${utterance}"}
        # Table 4, if the model has a subword head.
        if ! grep -q '"top": \[\]' "${predictions}"; then
            run show_predictions --decoding "${predictions}" --text "${dumpdir}/raw/${set}/text" \
                --out "${exp}/PREDICTIONS.md" ${utterance:+--utterances "${utterance}"}
        fi
    fi
fi
end_stage

#!/usr/bin/env bash
# Fine-tune WaBERT for sentiment on SLUE-VoxCeleb and score it as SLUE does (paper, section 4.2).
#
#   ./run.sh --stage 1 --stop_stage 13      the real corpus, from ../librispeech_wabert's model
#   ./run.sh --mini true                    the embedded corpus and its models, on a CPU
#   ./run.sh --system wabert_i6 --seed 1    one row of Table 3; run_systems.sh runs them all
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [ ! -e path.sh ]; then cd "${SLURM_SUBMIT_DIR:-${PBS_O_WORKDIR}}"; OLDPWD=${PWD}; fi  # a copy is run
. ./path.sh
. ../slu.sh

# Options of this recipe
slue=                 # SLUE-VoxCeleb's folder; default: CORPORA/slue-voxceleb
slue_version=v0.2     # v0.1 has the paper's dev set
slue_labels=          # the test labels (gated copy on the Hub): .tsv, .parquet or folder
trim=true             # use start_second to end_second, as the SLUE toolkit does
system=               # a row of SYSTEMS; its fields override the options below
systems=systems/table3.yaml           # the table of systems
slu_config=../../conf/sentiment_bert_i3.yaml  # the model and its fine-tuning
recognizer=           # of a pipeline: name, folder or `box`; transcripts: the reference transcripts
ngram=                # of a pipeline: n-gram of OpenSLR 11, such as 3-gram.pruned.1e-7
ngrams=               # folder of n-grams; default: CORPORA/ngrams
model_tag=            # decode with the model of this experiment; default: that of SLU_TAG
aligner=auto          # experiment in ALIGNER_EXPDIR to start from: auto: that of the same depth; "": none
aligner_expdir=../librispeech_wabert/exp  # experiments of ../librispeech_wabert
aligner_args=         # more arguments for its training, such as "--max_epoch 1"
aligner_opts="--skip_done true"       # for its run.sh, if a system's aligner is missing
pretrained_model=     # start from this .pth, packed model or `box` instead of the aligner
# End of options
parse_options "$@"
if "${mini}"; then
    set_mini_options
    slu_config=../../conf/mini/sentiment_prosody.yaml
    systems=systems/mini.yaml
    # Of the systems whose recognizer is `option`; the plain run is no pipeline.
    if [ -n "${system}" ]; then recognizer=${corpora}/models/whisper-tiny.en; fi
    aligner_expdir=${root}/librispeech_wabert/exp
    aligner_opts="--mini true --size ${size} --skip_done true"
    parse_options "$@"  # options on the command line override those of --mini
fi
. ./cmd.sh
tokenizer=${text_model}  # of the vocabulary and the length filter: the same for all systems
if [ -n "${system}" ]; then
    row=$(run systems --table "${systems}" --system "${system}" --recognizer "${recognizer}")
    mapfile -t row <<< "${row}"
    more_args=${slu_args}
    caller=${PWD} parse_options "${row[@]}"
    slu_args="${slu_args} ${more_args}"
    results=${results:-${expdir}/results.json}
fi

train_set=fine_tune
valid_set=dev
test_sets="dev test"
need slue slue_labels systems ngrams
corpus_folder=${slue:-${corpora}/slue-voxceleb}
ngram_file=${ngram:+${ngrams:-${corpora}/ngrams}/${ngram}.arpa}
if [ -n "${pretrained_model}" ]; then
    aligner=""  # neither used nor trained
elif [ "${aligner}" = auto ]; then
    aligner=""
    if [ -z "${download_model}" ]; then
        aligner=$(run default_aligner --config "${slu_config}" --slu_args "${slu_args}")
    fi
fi
if [ -n "${aligner}" ]; then
    pretrained_model=${aligner_expdir}/${aligner}/valid.loss.ave.pth
fi
if [ -n "${ngram}" ] && [ ! -f "${ngram_file}" ]; then
    case "${ngram}" in
        3-gram.pruned.3e-7|3-gram.pruned.1e-7|3-gram|4-gram) ;;
        *) die "--ngram ${ngram}: one of 3-gram.pruned.3e-7, 3-gram.pruned.1e-7, 3-gram, 4-gram" ;;
    esac
fi
data_options+=" slue slue_version slue_labels trim"
model_options+=" recognizer ngram_file"
finish_options
data_inputs=("${slue_labels}")
read -ra tests <<< "${test_sets}"
if [ -z "${system}" ] && trains && [[ "${pretrained_model}" = *.pth && ! -f "${pretrained_model}" ]]
then
    die "${pretrained_model}: no such aligner; train it with ../librispeech_wabert/run.sh, or name" \
        "another one with --aligner or --pretrained_model"
fi
hypotheses=${expdir}/transcribe/$(file_name_of "${recognizer:-none}")${ngram:+_${ngram}}

local_data_opts=(--mini "${mini}" --size "${size}" --corpora "${corpora}" --slue "${slue}"
    --base_url "${base_url}" --remove_archives "${remove_archives}"
    --slue_version "${slue_version}" --slue_labels "${slue_labels}" --trim "${trim}"
    --datadir "${datadir}" --nj "${nj}" --dask "${dask}" --skip_bad "${skip_bad}")
check_requirements
if ! "${skip_data_prep}"; then data_stages; fi

for number in 6 7 8; do
    if stage ${number} "language model"; then echo "BERT is the language model: skipped"; fi
done

if stage 9 "n-gram" ${ngram_file:+: "${ngram_file}"}; then
    if [ -z "${ngram}" ]; then
        echo "no --ngram: nothing to do"
    elif [ ! -f "${ngram_file}" ]; then
        run download_corpus ngram --name "${ngram}" --out "$(dirname "${ngram_file}")"
    fi
fi

# A system that decodes with another system's model trains it only if it is missing.
if [ -n "${model_tag}" ] && [ "${model_tag}" != "${name}" ] && [ -f "${slu_model}" ]; then
    skip_train=true
fi
stats_opts=()
if ! "${skip_train}" && [ -z "${download_model}" ] && [ "${stage}" -le 11 ]; then
    if [ -n "${system}" ] && [ -n "${aligner}" ] && [ "${stop_stage}" -ge 10 ]; then
        end_stage  # the other systems can go on
        local/train_aligner.sh --systems "${systems}" --system "${system}" --ngpu "${ngpu}" \
            --num_nodes "${num_nodes}" --host "${host}" --nj "${nj}" \
            --inference_nj "${inference_nj}" --dask "${dask}" --gpu_seconds "${gpu_seconds}" \
            --batch_seconds "${batch_seconds}" --skip_bad "${skip_bad}" \
            --remove_archives "${remove_archives}" \
            --corpora "$([ "${corpora}" = downloads ] || echo "${corpora}")" \
            --aligner "${pretrained_model}" --expdir "${aligner_expdir}" \
            --speech_model "${speech_model}" --text_model "${text_model}" \
            --aligner_args "${aligner_args}" --aligner_opts "${aligner_opts}" \
            --transcripts "${dumpdir}/raw/${train_set}"
    fi
    train_stages
fi

if ! "${skip_eval}"; then
    read_by=("${ngram_file}") read=()
    if [ -n "${recognizer}" ] && [ "${recognizer}" != transcripts ]; then
        read_by+=("${recognizer}") read=("${tests[@]/#/${hypotheses}/}")
    fi
    if stage 12 "decoding" "${model_inputs[@]}" "${read_by[@]}" "${tests[@]/#/${dumpdir}/raw/}" \
        ${feats:+"${tests[@]/#/${feats}/}"} : "${tests[@]/#/${exp}/decode/}" "${read[@]}"
    then
        texts=()
        if [ "${recognizer}" = transcripts ]; then
            texts=(--texts "${dumpdir}/raw")
        elif [ -n "${recognizer}" ]; then
            decode transcribe --recognizer "${recognizer}" --ngram "${ngram_file}" \
                --dump "${dumpdir}/raw" --out "${hypotheses}"
            texts=(--texts "${hypotheses}")
        fi
        decode decode --model "${slu_model}" --dump "${dumpdir}/raw" --feats "${feats}" \
            "${texts[@]}" --out "${exp}/decode"
    fi

    # Stage 13 writes a file for SLUE's organizers beside the labels.
    scored=("${dumpdir}/raw/${train_set}/sentiment" "${corpus_folder}/parts.tsv" "${datadir}/dev/v01")
    for set in ${test_sets}; do
        scored+=("${dumpdir}/raw/${set}" "${decoded[@]/%//${set}/sentiment}"
            ${read:+"${hypotheses}/${set}"})
    done
    if stage 13 "scoring" "${scored[@]}" : "${exp}/scores" \
        ${results:+"+${results}#sentiment.${system:-wabert}"}
    then
        local/score.sh --name "${system:-wabert}" --raw "${dumpdir}/raw" --train_set "${train_set}" \
            --test_sets "${test_sets}" --parts "${corpus_folder}/parts.tsv" \
            --v01 "${datadir}/dev/v01" --results "${results}" \
            --hypotheses "$([ "${recognizer}" = transcripts ] || echo "${recognizer:+${hypotheses}}")" \
            --scores "${exp}/scores" "${decoded[@]}"
    fi
fi

pack_stages
end_stage

#!/usr/bin/env bash
# Fine-tune WaBERT for sentiment on SLUE-VoxCeleb and score it as SLUE does (paper, section 4.2).
#
#   ./run.sh --stage 1 --stop_stage 13      the real corpus, from ../librispeech_wabert's model
#   ./run.sh --mini true                    the embedded corpus and its models, on a CPU
#   ./run.sh --system wabert_i6 --seed 1    one row of Table 3; run_systems.sh runs them all
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
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
recognizer=           # of a pipeline: name or folder; transcripts: the reference transcripts
ngram=                # of a pipeline: n-gram of OpenSLR 11, such as 3-gram.pruned.1e-7
ngrams=               # folder of n-grams; default: CORPORA/ngrams
model_tag=            # decode with the model of this experiment; default: that of SLU_TAG
aligner=align_bert_i3 # fine-tuning starts from this experiment in ALIGNER_EXPDIR; "": from none
aligner_expdir=../librispeech_wabert/exp  # experiments of ../librispeech_wabert
aligner_opts="--skip_done true"       # for its run.sh, if a system's aligner is missing
pretrained_model=     # start from this .pth or packed .zip instead of the aligner
inference_slu_model=valid.acc.ave.pth # the checkpoint to decode with
# End of options
parse_options "$@"
if "${mini}"; then
    set_mini_options
    slu_config=../../conf/mini/sentiment_prosody.yaml
    systems=systems/mini.yaml
    # Of the systems whose recognizer is `option`; the plain run is no pipeline.
    if [ -n "${system}" ]; then recognizer=${corpora}/models/whisper-tiny.en; fi
    aligner=align
    aligner_expdir=../../exp/mini/librispeech_wabert/exp
    aligner_opts="--mini true --skip_done true"
    parse_options "$@"  # options on the command line override those of --mini
fi
. ./cmd.sh
tokenizer=${text_model}  # of the vocabulary and the length filter: the same for all systems
if [ -n "${system}" ]; then
    row=$(run systems --table "${systems}" --system "${system}")
    mapfile -t row <<< "${row}"
    more_args=${slu_args}
    caller=${PWD} parse_options "${row[@]}"
    slu_args="${slu_args} ${more_args}"
    results=${results:-${expdir}/results.json}
fi

train_set=fine_tune
valid_set=dev
test_sets="dev test"
slue_folder=${slue:-${corpora}/slue-voxceleb}
ngram_file=${ngram:+${ngrams:-${corpora}/ngrams}/${ngram}.arpa}
if [ -n "${aligner}" ]; then
    pretrained_model=${pretrained_model:-${aligner_expdir}/${aligner}/valid.loss.ave.pth}
fi
data_options+=" slue slue_version slue_labels trim"
model_options+=" recognizer ngram_file"
finish_options
hypotheses=${expdir}/transcribe/$(basename "${recognizer:-none}")${ngram:+_${ngram}}

local_data_opts=(--mini "${mini}" --corpora "${corpora}" --slue "${slue}"
    --slue_version "${slue_version}" --slue_labels "${slue_labels}" --trim "${trim}"
    --datadir "${datadir}" --nj "${nj}" --skip_bad "${skip_bad}")
if ! "${skip_data_prep}"; then data_stages; fi

for number in 6 7 8; do
    if stage ${number} "language model"; then echo "BERT is the language model: skipped"; fi
done

if stage 9 "n-gram"; then
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
    if [ -n "${system}" ] && [ "${stop_stage}" -ge 10 ]; then
        local/train_aligner.sh --systems "${systems}" --system "${system}" --ngpu "${ngpu}" \
            --nj "${nj}" --aligner "${pretrained_model}" --expdir "${aligner_expdir}" \
            --aligner_opts "${aligner_opts}" --transcripts "${dumpdir}/raw/${train_set}"
    fi
    train_stages
fi

if ! "${skip_eval}"; then
    if stage 12 "decoding"; then
        texts=()
        if [ "${recognizer}" = transcripts ]; then
            texts=(--texts "${dumpdir}/raw")
        elif [ -n "${recognizer}" ]; then
            decode transcribe --recognizer "${recognizer}" --ngram "${ngram_file}" \
                --dump "${dumpdir}/raw" --out "${hypotheses}" \
                --batch_seconds "${batch_seconds}" --device "${inference_device}"
            texts=(--texts "${hypotheses}")
        fi
        decode decode --model "${slu_model}" --dump "${dumpdir}/raw" --feats "${feats}" \
            "${texts[@]}" --out "${exp}/decode" --batch_seconds "${batch_seconds}" \
            --device "${inference_device}"
    fi

    if stage 13 "scoring"; then
        local/score.sh --name "${system:-wabert}" --raw "${dumpdir}/raw" --train_set "${train_set}" \
            --test_sets "${test_sets}" --parts "${slue_folder}/parts.tsv" --results "${results}" \
            --hypotheses "$([ "${recognizer}" = transcripts ] || echo "${recognizer:+${hypotheses}}")" \
            --scores "${expdir}/${name}/scores" "${decoded[@]}"
    fi
fi

pack_stages
end_stage

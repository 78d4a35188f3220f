# What the recipes share: common options, the order of stages, and the stages 1 to 8, 10, 11, 14
# and 15. Sourced by each run.sh, from the recipe's folder.

. ../parse_options.sh
option_files=(../slu.sh "$(basename "$0")")
caller=${OLDPWD}  # run.sh has just changed from there to its own folder

count_gpus() { { nvidia-smi -L 2>/dev/null || true; } | wc -l; }

# Options of every recipe
stage=1               # first stage
stop_stage=13         # last stage; 14 packs the model, 15 uploads it
skip_data_prep=false  # skip stages 1 to 5
skip_train=false      # skip stages 10 and 11
skip_eval=false       # skip stages 12, 13 and 16
skip_packing=false    # skip stage 14
skip_upload_hf=true   # skip stage 15
skip_done=false       # skip stages that were done before with the same options
mini=false            # embedded corpus: sets the data folders, the models and the yaml
ngpu=$(count_gpus)    # GPUs for training
gpu_inference=$([ "$(count_gpus)" -gt 0 ] && echo true || echo false)  # decode on a GPU
nj=$(nproc)           # processes for audio files
inference_nj=1        # test sets that are decoded at the same time
expdir=exp            # experiments
dumpdir=dump          # formatted data and features
datadir=data          # Kaldi data folders
corpora=downloads     # folder of the corpora; missing ones are downloaded to it
speed_perturb_factors=  # such as "0.9 1.0 1.1"
skip_bad=false        # leave unreadable utterances out (they are listed) instead of stopping
speech_model=         # speech encoder instead of the yaml's: name or folder
text_model=bert-base-uncased  # BERT (or the text encoder of a text system): name or folder
cache_features=false  # compute the features of a wholly frozen frontend once
slu_args=             # more arguments for training, such as "--max_epoch 1"
slu_tag=              # name of the experiment; default: the name of SLU_CONFIG
seed=                 # of training: adds _seed<N> to the name; default: the yaml's
score_seeds=          # stage 13: score these seeds together, such as "0 1 2"
batch_seconds=60.0    # padded audio per batch in decoding and caching
download_model=       # decode with this packed model (.zip or hub tag) instead of a trained one
use_lm=false          # BERT is the language model: there is no other
results=              # merge the scores into this results.json
hf_repo=              # stage 15: repository on the Hugging Face Hub, such as you/wabert
# End of options

# Files and folders among the options of all recipes, and models (a name on a hub, or a folder).
path_options="expdir dumpdir datadir corpora slu_config pretrained_model results
    librispeech timit more_data baseline slue slue_labels systems ngrams aligner_expdir"
path_options=${path_options//$'\n'/ }
source_options="speech_model text_model download_model recognizer"
data_options="speed_perturb_factors skip_bad tokenizer"  # a change of these repeats stages 1-5
model_options="speech_model text_model cache_features pretrained_model slu_args seed score_seeds
    inference_slu_model download_model speed_perturb_factors skip_bad"  # ... stages 10-16

# The values of --mini true: slu_config and the recipe's own are set in run.sh.
set_mini_options() {
    local root=../../exp/mini
    local recipe=${PWD##*/}
    corpora=${root}/corpora
    expdir=${root}/${recipe}/exp
    dumpdir=${root}/${recipe}/dump
    datadir=${root}/${recipe}/data
    results=${root}/results.json
    speech_model=${corpora}/models/whisper-tiny.en
    text_model=${corpora}/models/minilm-l6
    cache_features=true
}

# Check the options and set what follows from them.
finish_options() {
    [ -f "${slu_config}" ] || die "--slu_config ${slu_config}: no such configuration"
    [[ "${dumpdir}" != *,* ]] || die "--dumpdir ${dumpdir}: ESPnet splits data arguments at commas"
    ! "${use_lm}" || die "--use_lm true: BERT is the language model; a pipeline takes --ngram"
    [[ "${seed}" =~ ^[0-9]*$ ]] || die "--seed ${seed}: not an integer"
    [[ "${score_seeds}" =~ ^([0-9]+( [0-9]+)*)?$ ]] ||
        die "--score_seeds '${score_seeds}': integers with a space between"
    if [ -n "${download_model}" ]; then
        cache_features=false  # a packed model takes audio
        [ -z "${seed}${score_seeds}" ] || die "--download_model is one model: it has no seeds"
    fi
    name=${slu_tag:-$(basename "${slu_config}" .yaml)}
    slu_tag=${name}${seed:+_seed${seed}}
    exp=${expdir}/${slu_tag}
    train_exp=${expdir}/${model_tag:-${name}}${seed:+_seed${seed}}  # where the model is trained
    slu_model=${download_model:-${train_exp}/${inference_slu_model}}
    token_list=${dumpdir}/token_list/vocab.txt
    stats=${expdir}/stats/${model_tag:-${name}}
    inference_device=$("${gpu_inference}" && echo cuda || echo cpu)
    feats=""
    if "${cache_features}"; then
        feats=$(run feature_folder --config "${slu_config}" --slu_args "${slu_args}" \
            --dump "${dumpdir}")
    fi
    # The decoded folders that stage 13 scores as one system: one for each seed.
    decoded=("${exp}/decode")
    if [ -n "${score_seeds}" ]; then
        read -ra decoded <<< "${score_seeds}"
        decoded=("${decoded[@]/#/${expdir}/${name}_seed}")
        decoded=("${decoded[@]/%//decode}")
    fi
}

run() { ${train_cmd} "${python}" -m "espnet_wabert.bin.$@"; }

feats_of() { if [ -n "${feats}" ]; then echo "${feats}/$1"; fi; }  # SET

unique() { printf '%s\n' "$@" | awk '!seen[$0]++'; }

# decode COMMAND OPTIONS...: run a command with --sets, INFERENCE_NJ test sets at a time.
decode() {
    local command=(${decode_cmd} "${python}" -m "espnet_wabert.bin.$1" "${@:2}")
    if [ "${inference_nj}" -le 1 ]; then
        "${command[@]}" --sets "${test_sets}"
    else
        printf '%s\n' ${test_sets} | xargs -P "${inference_nj}" -I{} "${command[@]}" --sets {}
    fi
}

# stage N NAME: succeed if stage N is to be run now. Ends the stage before it.
current=""
stage() {
    end_stage
    [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ] || return 1
    # A mark tells with which options and configuration a stage was done. It lies beside the result:
    # who deletes the result deletes the mark.
    local options=${model_options} config=${slu_config} folder=${exp}/.done
    if [ "$1" -le 9 ]; then
        options=${data_options} config=/dev/null folder=${dumpdir}/.done/${train_set}
    elif [ "$1" -le 11 ]; then
        folder=${train_exp}/.done
    fi
    done_file=${folder}/stage$1
    signature=$({ declare -p ${options}; cat "${config}"; } | cksum)
    if "${skip_done}" && [ "$(cat "${done_file}" 2>/dev/null)" = "${signature}" ]; then
        echo "stage $1: $2: done before"
        return 1
    fi
    echo "stage $1: $2"
    current=$1
    SECONDS=0
}

end_stage() {
    [ -n "${current}" ] || return 0
    echo "stage ${current}: ${SECONDS} s"
    if [ -n "${results}" ] && [ "${SECONDS}" -gt 0 ]; then
        run update_results "${results}" "seconds.${slu_tag}_${current}=${SECONDS}" || exit 1
    fi
    mkdir -p "$(dirname "${done_file}")" || exit 1
    echo "${signature}" > "${done_file}" || exit 1
    current=""
}

# Stages 1 to 5. Sets that are scored keep every utterance; the others are filtered in stage 4.
data_stages() {
    local set filtered
    filtered=$(unique "${train_set}" "${valid_set}" | grep -vxF -f <(unique ${test_sets}) || true)

    if stage 1 "data preparation"; then
        local/data.sh "${local_data_opts[@]}"
    fi

    if stage 2 "speed perturbation"; then
        if [ -n "${speed_perturb_factors}" ]; then
            run perturb_speed --data "${datadir}/${train_set}" --out "${datadir}/${train_set}_sp" \
                --factors "${speed_perturb_factors}"
        else
            echo "no --speed_perturb_factors: nothing to do"
        fi
    fi

    if stage 3 "format wav.scp"; then
        for set in ${filtered} ${test_sets}; do
            local from=${datadir}/${set} to=${dumpdir}/raw/${set}
            if [[ " ${filtered//$'\n'/ } " = *" ${set} "* ]]; then to=${dumpdir}/raw/org/${set}; fi
            if [ "${set}" = "${train_set}" ]; then from+=${speed_perturb_factors:+_sp}; fi
            run format_wav --data "${from}" --out "${to}" --nj "${nj}" --skip_bad "${skip_bad}"
        done
    fi

    if stage 4 "remove long and short data"; then
        for set in ${filtered}; do
            run filter_lengths --data "${dumpdir}/raw/org/${set}" --out "${dumpdir}/raw/${set}" \
                --tokenizer "${tokenizer}"
        done
    fi

    if stage 5 "token list"; then
        run make_vocabulary --text_model "${tokenizer}" --out "${token_list}"
    fi
}

# Stages 10 and 11. stats_opts: more options for collect_stats.
train_stages() {
    local set device
    device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)

    if stage 10 "statistics"; then
        if [ -n "${feats}" ]; then
            run extract_features --config "${slu_config}" --speech_model "${speech_model}" \
                --dump "${dumpdir}/raw" --out "${feats}" --batch_seconds "${batch_seconds}" \
                --sets "$(unique "${train_set}" "${valid_set}" ${test_sets})" --device "${device}"
        fi
        for set in ${train_set} ${valid_set}; do
            run collect_stats --data "${dumpdir}/raw/${set}" --feats "$(feats_of "${set}")" \
                --out "${stats}/${set}" "${stats_opts[@]}"
        done
    fi

    if stage 11 "training"; then
        local args
        args=$(run training_args --config "${slu_config}" --slu_args "${slu_args}" \
            --raw "${dumpdir}/raw" --feats "${feats}" --stats "${stats}" \
            --train_set "${train_set}" --valid_set "${valid_set}" --token_list "${token_list}" \
            --speech_model "${speech_model}" --text_model "${text_model}" \
            --pretrained_model "${pretrained_model}")
        mapfile -t args <<< "${args}"
        train_model "${train_exp}" "${args[@]}" --resume true ${seed:+--seed "${seed}"} ${slu_args}
    fi
}

# train_model FOLDER ARGS...: train with ESPnet; the log is FOLDER/train.log, epochs are shown.
train_model() {
    local folder=$1 distributed=()
    shift
    mkdir -p "${folder}"
    if [ "${ngpu}" -gt 1 ]; then distributed=(--multiprocessing_distributed true); fi
    echo "log: ${folder}/train.log"
    if ! ${cuda_cmd} "${python}" -m espnet_wabert.bin.train --output_dir "${folder}" \
        --ngpu "${ngpu}" "${distributed[@]}" "$@" 2>&1 | tee "${folder}/train.log" | show_progress
    then
        tail -n 5 "${folder}/train.log" >&2
        die "training failed; see ${folder}/train.log"
    fi
}

# Show errors, epochs, losses and scores of a training log.
show_progress() {
    sed -u -nE -e '/^error:/p' -e '/epoch started|epoch results|[0-9]batch: /{
        s/^.*INFO: /  /
        s/(iter|forward|backward|optim_step|train)_time=[^,]*(, |$)//g
        s/(grad_norm|clip|loss_scale|optim0_lr0|total_count|gpu_max_cached_mem_GB)=[^,]*(, |$)//g
        s/time=[^,]*(, |$)//g
        p
    }'
}

# Stages 14 and 15.
pack_stages() {
    local packed=${exp}/${slu_tag}.zip
    if ! "${skip_packing}"; then
        if stage 14 "pack"; then run pack --model "${slu_model}" --out "${packed}"; fi
    fi
    if ! "${skip_upload_hf}"; then
        if stage 15 "upload"; then
            [ -n "${hf_repo}" ] || die "--hf_repo names no repository"
            "${python}" -m huggingface_hub.cli.hf upload "${hf_repo}" "${packed}"
        fi
    fi
}

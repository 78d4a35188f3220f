# The stages that the recipes share: 1 to 5, 10, 11, 14 and 15, and how a stage begins and ends.
# Sourced by ../slu.sh, which sets the options.

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
            run format_wav --data "${from}" --out "${to}" --skip_bad "${skip_bad}" \
                "${audio_workers[@]}"
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
                --sets "$(unique "${train_set}" "${valid_set}" ${test_sets})" --device "${device}" \
                "${model_workers[@]}"
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
            --pretrained_model "${pretrained_model}" --ngpu "${ngpu}" --gpu_seconds "${gpu_seconds}")
        mapfile -t args <<< "${args}"
        train_model "${train_exp}" "${args[@]}" --resume true ${seed:+--seed "${seed}"} ${slu_args}
    fi
}

# train_model FOLDER ARGS...: train with ESPnet; the log is FOLDER/train.log, epochs are shown.
train_model() {
    local folder=$1 distributed=()
    shift
    if "${overwrite}" && [ -f "${folder}/options.yaml" ]; then rm -r "${folder:?}"; fi
    mkdir -p "${folder}"
    rotate_log "${folder}/train"
    if [ "${ngpu}" -gt 1 ]; then distributed=(--multiprocessing_distributed true); fi
    echo "log: ${folder}/train.log"
    if ! ${cuda_cmd} "${python}" -m espnet_wabert.bin.train --output_dir "${folder}" \
        --ngpu "${ngpu}" "${distributed[@]}" "$@" 2>&1 | tee "${folder}/train.log" | show_progress
    then
        tail -n 5 "${folder}/train.log" >&2
        die "training failed; see ${folder}/train.log"
    fi
}

# rotate_log PATH: rename PATH.log to the first free PATH.N.log.
rotate_log() {
    local number=1
    while [ -e "$1.${number}.log" ]; do number=$((number + 1)); done
    if [ -e "$1.log" ]; then mv "$1.log" "$1.${number}.log"; fi
}

# Show errors, warnings, epochs, losses and scores of a training log.
show_progress() {
    sed -u -nE -e '/^error:| (WARNING|ERROR): /p' -e '/epoch started|epoch results|[0-9]batch: /{
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
            run publish --model "${packed}" --repo "${hf_repo}" --out "${exp}/hub" \
                --license "${hf_license}" --scores "${expdir}/${name}/RESULTS.md" \
                --scores "${expdir}/${name}/scores/dev/scores.json" \
                --scores "${expdir}/${name}/scores/test/scores.json"
        fi
    fi
}

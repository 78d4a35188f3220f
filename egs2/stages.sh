# The stages that the recipes share: 1 to 5, 10, 11, 14 and 15, and how a stage begins and ends.
# Sourced by ../slu.sh, which sets the options.

# stage N NAME [INPUT... : OUTPUT...]: succeed if stage N is to be run now. Ends the stage before it.
#
# The files and folders tell with --skip_done true whether the stage is done: as they were when it was
# run, with the same options. An input may be empty, or a name on a hub. FOLDER/* is a data folder
# without its recordings, which take a second for 300,000 utterances. Of an output
# +FILE#KEY, which other stages change too, it counts that the key exists. The record lies beside the
# result, and is deleted with it. A stage with a record locks the folder of the records.
current="" lock="" shared=""
stage() {
    end_stage
    [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ] || return 1
    local number=$1 title=$2 options=${model_options} folder=${exp}/.done kind=input status=0
    local arguments=() argument why
    shift 2
    if [ "${number}" -le 9 ]; then
        options=${data_options} folder=${dumpdir}/.done/${train_set}
    else
        if [ "${number}" -le 11 ]; then folder=${train_exp}/.done; fi
        arguments=(--input "${slu_config}")
    fi
    for argument in ${options}; do arguments+=(--option "${argument}=${!argument}"); done
    for argument in "$@"; do
        case "${argument}" in
            :) kind=output ;;
            +*) arguments+=(--existing "${argument#+}") ;;
            *) arguments+=("--${kind}" "${argument}") ;;
        esac
    done
    record="" why=""
    if [ $# -gt 0 ]; then
        record=${folder}/stage${number}.json
        lock_stages "${folder}" "${number}" ||
            die "stage ${number}: another run is in a stage of ${folder}"
        why=$(stage_record begin "${record}" --skip_done "${skip_done}" "${arguments[@]}") ||
            status=$?
        case "${status}" in
            0) ;;
            3) echo "stage ${number}: ${title}: done before"; unlock_stages; return 1 ;;
            *) exit 1 ;;
        esac
    fi
    echo "stage ${number}: ${title}${why:+: ${why}}"
    current=${number}
    SECONDS=0
}

end_stage() {
    [ -n "${current}" ] || return 0
    echo "stage ${current}: ${SECONDS} s"
    if [ -n "${results}" ] && [ "${SECONDS}" -gt 0 ]; then
        run update_results "${results}" "seconds.${slu_tag}_${current}=${SECONDS}" || exit 1
    fi
    if [ -n "${record}" ]; then stage_record end "${record}" || exit 1; fi
    unlock_stages
    current=""
}

# lock_stages FOLDER NUMBER: fail if another run is in a stage for more than some seconds. Its
# processes hold the lock, too. Without flock, or on a disk without locks, there is none.
lock_stages() {
    local file=$1/.lock
    if [ "$2" -ge 12 ]; then file+=_decode; fi  # while the model is trained
    { mkdir -p "$1" && exec {lock}> "${file}"; } 2> /dev/null || return 0
    flock -w 5 -E 9 "${lock}" 2> /dev/null || [ $? -ne 9 ]
}

# wait_for FOLDER: hold the lock of a folder that experiments share, to the end of the stage.
wait_for() {
    local status=0
    { mkdir -p "$1" && exec {shared}> "$1/.lock"; } 2> /dev/null || return 0
    flock -n -E 9 "${shared}" 2> /dev/null || status=$?
    if [ "${status}" -eq 9 ]; then
        echo "waiting for another run in $1"
        flock "${shared}"
    fi
}

unlock_stages() {
    if [ -n "${lock}" ]; then exec {lock}>&-; fi
    if [ -n "${shared}" ]; then exec {shared}>&-; fi
    lock="" shared=""
}

stage_record() { "${python}" -m espnet_wabert.bin.stage_record "$@"; }

# Stages 1 to 5. Sets that are scored keep every utterance; the others are filtered in stage 4.
data_stages() {
    local set filtered trained=("${train_set}" "${valid_set}") formatted=() kept=() perturbed=() tables
    tables=("${all_sets[@]/#/${datadir}/}")
    tables=("${tables[@]/%//*}")
    filtered=$(unique "${trained[@]}" | grep -vxF -f <(unique ${test_sets}) || true)
    for set in ${filtered}; do
        formatted+=("${dumpdir}/raw/org/${set}") kept+=("${dumpdir}/raw/${set}/*")
    done
    for set in ${test_sets}; do formatted+=("${dumpdir}/raw/${set}"); done

    if stage 1 "data preparation" "${data_inputs[@]}" : "${corpus_folder}" \
        "${tables[@]}"
    then
        local/data.sh "${local_data_opts[@]}"
    fi

    if [ -n "${speed_perturb_factors}" ]; then
        perturbed=("${datadir}/${train_set}/*" : "${datadir}/${train_set}_sp/*")
    fi
    if stage 2 "speed perturbation" "${perturbed[@]}"; then
        if [ -n "${speed_perturb_factors}" ]; then
            run perturb_speed --data "${datadir}/${train_set}" --out "${datadir}/${train_set}_sp" \
                --factors "${speed_perturb_factors}"
        else
            echo "no --speed_perturb_factors: nothing to do"
        fi
    fi

    if stage 3 "format wav.scp" "${all_sets[@]/#/${datadir}/}" \
        "${datadir}/${train_set}${speed_perturb_factors:+_sp}" : "${formatted[@]}"
    then
        for set in ${filtered} ${test_sets}; do
            local from=${datadir}/${set} to=${dumpdir}/raw/${set}
            if [[ " ${filtered//$'\n'/ } " = *" ${set} "* ]]; then to=${dumpdir}/raw/org/${set}; fi
            if [ "${set}" = "${train_set}" ]; then from+=${speed_perturb_factors:+_sp}; fi
            run format_wav --data "${from}" --out "${to}" --skip_bad "${skip_bad}" \
                "${audio_workers[@]}"
        done
    fi

    if stage 4 "remove long and short data" "${formatted[@]/%//*}" "${tokenizer}" : "${kept[@]}"; then
        for set in ${filtered}; do
            run filter_lengths --data "${dumpdir}/raw/org/${set}" --out "${dumpdir}/raw/${set}" \
                --tokenizer "${tokenizer}"
        done
    fi

    if stage 5 "token list" "${tokenizer}" : "${token_list}"; then
        run make_vocabulary --text_model "${tokenizer}" --out "${token_list}"
    fi
}

# Stages 10 and 11. stats_opts: more options for collect_stats.
train_stages() {
    local set device trained=("${train_set}" "${valid_set}") raw times=${word_times_model:-}
    raw=("${trained[@]/#/${dumpdir}/raw/}")
    if [ -n "${feats}" ]; then raw=("${all_sets[@]/#/${dumpdir}/raw/}"); fi
    device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)

    if stage 10 "statistics" "${raw[@]}" "${token_list}" "${times}" ${feats:+"${speech_model}"} : \
        "${trained[@]/#/${stats}/}" ${feats:+"${all_sets[@]/#/${feats}/}"}
    then
        wait_for "${stats}"  # seeds that run at the same time have the same one
        if [ -n "${feats}" ]; then
            run_on "${device}" extract_features --config "${slu_config}" --slu_args "${slu_args}" \
                --speech_model "${speech_model}" --dump "${dumpdir}/raw" --out "${feats}" \
                --sets "${all_sets[*]}" --batch_seconds "${batch_seconds}" --device "${device}" \
                "${model_workers[@]}"
        fi
        if [ -n "${times}" ]; then
            run_on "${device}" decode --model "${times}" --dump "${dumpdir}/raw" --feats "${feats}" \
                --sets "${trained[*]}" --out "${stats}/aligned" \
                --batch_seconds "${batch_seconds}" --device "${device}" "${model_workers[@]}"
            stats_opts+=(--words "${stats}/aligned")
        fi
        for set in ${train_set} ${valid_set}; do
            run collect_stats --data "${dumpdir}/raw/${set}" --feats "$(feats_of "${set}")" \
                --out "${stats}/${set}" "${stats_opts[@]}"
        done
    fi

    if stage 11 "training" "${raw[@]}" ${feats:+"${trained[@]/#/${feats}/}"} \
        "${trained[@]/#/${stats}/}" "${token_list}" "${speech_model}" "${text_model}" \
        "${pretrained_model}" : "${train_exp}/options.yaml" "${slu_model}"
    then
        local args
        args=$(run training_args --config "${slu_config}" --slu_args "${slu_args}" \
            --raw "${dumpdir}/raw" --feats "${feats}" --stats "${stats}" \
            --train_set "${train_set}" --valid_set "${valid_set}" --token_list "${token_list}" \
            --speech_model "${speech_model}" --text_model "${text_model}" \
            --pretrained_model "${pretrained_model}" --ngpu "${processes}" \
            --gpu_seconds "${gpu_seconds}")
        mapfile -t args <<< "${args}"
        train_model "${train_exp}" "${args[@]}" --resume true ${seed:+--seed "${seed}"} ${slu_args}
    fi
}

# train_model FOLDER ARGS...: train with ESPnet; the log is FOLDER/train.log, epochs are shown.
# With several GPUs or nodes, each node runs `launch`, which starts one process per GPU; the nodes
# meet in a file.
train_model() {
    local folder=$1 trainer=(train --ngpu "${ngpu}") meeting=$1/.meeting.$$.${RANDOM}
    shift
    if "${overwrite}" && [ -f "${folder}/options.yaml" ]; then  # all but .done; the / is for a link
        find "${folder:?}/" -mindepth 1 -maxdepth 1 ! -name .done ! -name options.yaml \
            -exec rm -r {} +
        rm "${folder}/options.yaml"  # last: without it, what a kill leaves could not be replaced
    fi
    mkdir -p "${folder}"
    rotate_log "${folder}/train"
    if [ "${processes}" -gt 1 ]; then
        trainer=(launch --ngpu "${ngpu}" --num_nodes "${num_nodes}" --meeting "${meeting}" --)
    fi
    echo "log: ${folder}/train.log"
    if ! "${cuda_cmd[@]}" "${python}" -m "espnet_wabert.bin.${trainer[@]}" \
        --output_dir "${folder}" "$@" 2>&1 | tee "${folder}/train.log" | show_progress
    then
        rm -f "${meeting}"
        grep -q '^error: ' "${folder}/train.log" || tail -n 5 "${folder}/train.log" >&2
        die "training failed; see ${folder}/train.log"
    fi
    rm -f "${meeting}"
}

# rotate_log PATH: rename PATH.log to the first free PATH.N.log.
rotate_log() {
    local number=1
    while [ -e "$1.${number}.log" ]; do number=$((number + 1)); done
    if [ -e "$1.log" ]; then mv "$1.log" "$1.${number}.log"; fi
}

# Show errors, warnings, epochs, losses and scores of a training log. ESPnet's log has no comma
# between some values and the next name.
show_progress() {
    sed -u -nE -e '/^error:| (WARNING|ERROR): /p' -e '/epoch started|epoch results|[0-9]batch: /{
        s/^.*INFO: /  /
        s/=(-?[0-9.]+(e[-+][0-9]+)?|-?nan|-?inf)([a-z][a-z_])/=\1, \3/g
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
        if stage 14 "pack" "${model_inputs[@]}" : "${packed}"; then
            run pack --model "${slu_model}" --out "${packed}"
        fi
    fi
    if ! "${skip_upload_hf}"; then
        local model_options="${model_options} hf_repo hf_license"
        if stage 15 "upload" "${packed}" "${exp}/RESULTS.md" "${exp}/scores" : "${exp}/hub"; then
            run publish --model "${packed}" --repo "${hf_repo}" --out "${exp}/hub" \
                --license "${hf_license}" --scores "${exp}/RESULTS.md" \
                --scores "${exp}/scores/dev/scores.json" \
                --scores "${exp}/scores/test/scores.json"
        fi
    fi
}

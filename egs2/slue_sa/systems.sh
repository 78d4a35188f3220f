# The rows of Table 3: what --system chooses, and the aligner that a row starts from. Sourced by run.sh.

# row_names: the rows that `systems` lists, in its order.
row_names() { awk '!/^#/ && NF { print $1 }' "${systems}"; }

# choose_row NAME: set the options that run.sh would otherwise take from the command line.
choose_row() {
    local line
    line=$(awk -v name="$1" '!/^#/ && $1 == name' "${systems}")
    [ -n "${line}" ] || die "--system $1: no such row in ${systems}; it has" $(row_names)
    local fields
    read -r -a fields <<< "${line}"
    [ "${#fields[@]}" -ge 8 ] || die "${systems}: row $1 has ${#fields[@]} columns, not 8"
    row_model=$1 row_recognizer="" row_ngram=""
    if [[ "${fields[1]}" == =* ]]; then
        choose_row "${fields[1]#=}"  # what it shares; then what is its own
    else
        config=../../conf/${fields[1]}
        speech_model=$(or_default "${fields[2]}" "${given_speech_model}")
        language_model=$(or_default "${fields[3]}" "${given_language_model}")
        row_aligner=${fields[6]#-}
        row_drop=${fields[7]#-}
        row_args=${fields[*]:8}
        [ -f "${config}" ] || die "${config}: no such configuration (${systems}, row $1)"
    fi
    row_recognizer=${fields[4]#-}
    if [ "${row_recognizer}" = given ]; then row_recognizer=${recognizer}; fi
    row_ngram=${fields[5]#-}
    if [ -n "${row_ngram}" ]; then row_ngram=${ngrams}/${row_ngram}.arpa; fi
}

or_default() { if [ "$1" = - ]; then echo "$2"; else echo "$1"; fi; }

# What the configuration of the row at hand reads: text, or speech, of which features are cached.
reads_text() { grep -q '^frontend: text' "${config}"; }
trains_on_text() { grep -q '^ *text_weight:' "${config}"; }
caches() { "${cache_features}" && ! reads_text && ! changes_frames; }
# Other frames than the configuration's, or augmented speech, are not in the cache.
changes_frames() { [[ " ${row_args} ${train_args}" =~ " --"(frontend|preprocessor)_conf ]]; }
feats() {
    if caches; then
        # What the frontend is asked for beyond its top layer is a part of the folder's name.
        local more
        more=$(sed -nE 's/^ *(all_layers|convolutions): true.*/\1/p' "${config}")
        echo "${dumpdir}/feats${more:+_${more//$'\n'/_}}/${1:-}"
    fi
}

# drop_args: the row's depth, for the training of the aligner and of what starts from it.
drop_args() {
    if [ -n "${row_drop}" ]; then echo "--postencoder_conf drop_layers=${row_drop}"; fi
}

# train_aligner: set pretrained_model to the row's aligner; train it with its own recipe if it is
# not there. A depth of its own, and more data, have folders of their own beside the yaml's.
train_aligner() {
    pretrained_model=""
    if [ -z "${row_aligner}" ]; then return 0; fi
    local yaml=${row_aligner#+} more=""
    local tag=${yaml##*/}
    local folder=${alignments}${row_drop:+/drop${row_drop}}
    if [ "${yaml}" != "${row_aligner}" ]; then
        more=" --more_data $(realpath "${dumpdir}/raw/${train_set}")"
        folder+=/more
    fi
    pretrained_model=${folder}/${tag%.yaml}/valid.loss.ave.pth
    if [ -f "${pretrained_model}" ] || [ "${stage}" -gt 11 ]; then return 0; fi
    echo "${row_model}: training its aligner, ${pretrained_model}"
    local align="../librispeech_wabert/run.sh ${align_args} --config ../../conf/${yaml}"
    align+=" --nj ${nj} --ngpu ${ngpu}${more}"
    ${align} --expdir "${alignments}" --stop_stage 5
    ${align} --expdir "${folder}" --skip_data_prep true --stage 10 --stop_stage 11 --results "" \
        --train_args "$(drop_args)"
}

# What the recipes share: the common options and what follows from them. Sourced by each run.sh,
# from the recipe's folder. The stages are in ../stages.sh.

. ../parse_options.sh
. ../stages.sh
option_files=(../slu.sh run.sh)
caller=${OLDPWD}  # run.sh has just changed from there to its own folder

# Options of every recipe
stage=1               # first stage
stop_stage=13         # last stage; 14 packs the model, 15 uploads it
dry_run=false         # print what each stage would do, and do nothing
skip_data_prep=false  # skip stages 1 to 5
skip_train=false      # skip stages 10 and 11
skip_eval=false       # skip stages 12, 13 and 16
skip_packing=false    # skip stage 14
skip_upload_hf=true   # skip stage 15
skip_done=false       # skip stages that were done before with the same options
mini=false            # embedded corpus: sets the data folders, the models and the yaml
size=full             # of the embedded corpus: full (in exp/mini) or box (in exp/box)
ngpu=                 # GPUs of a node for training; 0: on the CPU; default: all that torch sees
num_nodes=1           # nodes for training, by cmd_backend=slurm or pbs (cmd.sh)
host=                 # train on these machines by ssh, such as a,b
gpu_seconds=200.0     # seconds of audio per GPU at a time, if the yaml gives batch_size
gpu_inference=        # true: decode on a GPU; default: if torch sees one
nj=$(nproc)           # processes for audio files
dask=                 # do the work of NJ and INFERENCE_NJ on a Dask cluster: its yaml
inference_slu_model=  # checkpoint to decode with; default: the averaged one
inference_nj=         # processes for features and decoding, one core each; default: one with all
expdir=exp            # experiments
dumpdir=dump          # formatted data and features
datadir=data          # Kaldi data folders
corpora=downloads     # folder of the corpora; missing ones are downloaded to it
base_url=             # download the corpus from this mirror: the address of its archives' folder
remove_archives=false # remove each archive after unpacking
speed_perturb_factors=  # such as "0.9 1.0 1.1"
skip_bad=false        # leave unreadable utterances out (they are listed) instead of stopping
speech_model=         # speech encoder instead of the yaml's: name or folder
text_model=bert-base-uncased  # BERT (or the text encoder of a text system): name or folder
cache_features=false  # compute the features of a wholly frozen frontend once
slu_args=             # more arguments for training, such as "--max_epoch 1"
slu_tag=              # name of the experiment; default: the names of SLU_CONFIG and SLU_ARGS
overwrite=false       # stage 11: replace an experiment that was trained with other options
seed=                 # of training: adds _seed<N> to the name; default: the yaml's
score_seeds=          # stage 13: score these seeds together, such as "0 1 2"
batch_seconds=60.0    # padded audio per batch in decoding and caching
download_model=       # decode with this packed model (.zip or hub tag) instead of a trained one
use_lm=false          # BERT is the language model: there is no other
results=              # merge the scores into this results.json
hf_repo=              # stage 15: repository on the Hugging Face Hub, such as you/wabert
hf_license=apache-2.0 # ... and the license of the weights
# End of options

# Files and folders among the options of all recipes, and models (a name on a hub, or a folder).
path_options="dask expdir dumpdir datadir corpora slu_config results
    librispeech md5sums timit more_data baseline word_times_model slue slue_labels systems ngrams
    aligner_expdir"
path_options=${path_options//$'\n'/ }
source_options="speech_model text_model pretrained_model download_model recognizer"
data_options="speed_perturb_factors skip_bad tokenizer"  # a change of these repeats stages 1-5
model_options="speech_model text_model cache_features pretrained_model slu_args seed score_seeds
    inference_slu_model download_model speed_perturb_factors skip_bad"  # ... stages 10-16

# need OPTION...: end the script if a file or folder that an option names does not exist.
need() {
    local option_
    for option_ in "$@"; do
        [ -z "${!option_}" ] || [ -e "${!option_}" ] ||
            die "--${option_} ${!option_}: no such file or folder"
    done
}

# The values of --mini true: slu_config and the recipe's own are set in run.sh.
set_mini_options() {
    root=../../exp/$([ "${size}" = full ] && echo mini || echo "${size}")
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
    check_ranges
    [[ "${seed}" =~ ^[0-9]*$ ]] || die "--seed ${seed}: not an integer"
    [[ "${score_seeds}" =~ ^([0-9]+( [0-9]+)*)?$ ]] ||
        die "--score_seeds '${score_seeds}': integers with a space between"
    each_once score_seeds
    if [ -n "${download_model}" ]; then
        # Its output does not go into the folder of a trained model.
        slu_tag=${slu_tag:+${slu_tag}_}$(basename "${download_model%%\?*}" .zip)
        cache_features=false  # a packed model takes audio
        [ -z "${seed}${score_seeds}" ] || die "--download_model is one model: it has no seeds"
    fi
    [[ "${inference_nj}" =~ ^([1-9][0-9]*)?$ ]] ||
        die "option --inference_nj ${inference_nj}: not a positive integer"
    [ -z "${dask}" ] || run check_run --dask "${dask}"
    audio_workers=(--nj "${nj}" --dask "${dask}")
    model_workers=(${inference_nj:+--nj "${inference_nj}"} --dask "${dask}")
    read_settings
    local stats_tag=${slu_tag:-$(basename "${slu_config}" .yaml)}
    name=${slu_tag:-${stats_tag}$(tag_of_args)}
    slu_tag=${name}${seed:+_seed${seed}}
    exp=${expdir}/${slu_tag}
    train_exp=${expdir}/${model_tag:-${name}}${seed:+_seed${seed}}  # where the model is trained
    slu_model=${download_model:-${train_exp}/${inference_slu_model}}
    token_list=${dumpdir}/token_list/vocab.txt
    stats=${expdir}/stats/${model_tag:-${stats_tag}}
    ! trains || [[ "${stats}" != *,* ]] ||
        die "${stats}: ESPnet splits data arguments at commas: choose another --expdir or --slu_tag"
    mapfile -t all_sets < <(unique "${train_set}" "${valid_set}" ${test_sets})
    model_inputs=("${slu_model}" "${slu_model%/*}/config.yaml" "${speech_model}" "${text_model}")
    inference_device=$("${gpu_inference}" && echo cuda || echo cpu)
    if "${dry_run}"; then
        local source=download
        if [ -n "${librispeech:-}${slue:-}" ]; then source=given; fi
        if "${mini}"; then source=mini; fi
        run dry_run --recipe "${PWD##*/}" --corpus "${corpus_folder}" --source "${source}" \
            ${train_parts:+--train_parts "${train_parts}"} --config "${slu_config}" \
            --slu_args "${slu_args}" --stats "${stats}/${train_set}" \
            --cached "$([ -n "${feats}" ] && echo true || echo false)" \
            --speeds "${speed_perturb_factors}" --ngpu "$((ngpu * num_nodes))" \
            --gpu_seconds "${gpu_seconds}" --first "${stage}" --last "${stop_stage}"
        exit
    fi
    # The decoded folders that stage 13 scores as one system: one for each seed.
    decoded=("${exp}/decode")
    if [ -n "${score_seeds}" ]; then
        read -ra decoded <<< "${score_seeds}"
        decoded=("${decoded[@]/#/${expdir}/${name}_seed}")
        decoded=("${decoded[@]/%//decode}")
    fi
}

# Check options whose type is right and whose value is not.
check_ranges() {
    local option_
    [ "${stage}" -le "${stop_stage}" ] ||
        die "--stage ${stage}: comes after --stop_stage ${stop_stage}: nothing would be done"
    for option_ in nj gpu_seconds batch_seconds; do
        [[ "${!option_}" =~ [1-9] ]] || die "--${option_} ${!option_}: must be above 0"
    done
}

# Check the options of a script that runs stages 1 to 13 for each of --seeds.
check_seeds() {
    check_ranges
    [ "${stop_stage}" -le 13 ] ||
        die "--stop_stage ${stop_stage}: 13 is the last one here; run.sh does the others for a model"
    [[ "${seeds}" =~ ^[0-9]+( [0-9]+)*$ ]] || die "--seeds '${seeds}': integers with a space between"
    each_once seeds
}

# each_once OPTION: end the script if a seed occurs twice: its model would count twice.
each_once() {
    [ -z "$(tr ' ' '\n' <<< "${!1}" | sort | uniq -d)" ] || die "--$1 '${!1}': a seed occurs twice"
}

# Check what later stages need, as far as it is known now: models, packages, the upload.
check_requirements() {
    local options=()
    if trains && ! "${mini}"; then  # the embedded models are made in stage 1
        options+=(--config "${slu_config}" --slu_args "${slu_args}"
            --speech_model "${speech_model}" --text_model "${text_model}")
    fi
    if ! "${skip_eval}" && [ "${stage}" -le 12 ] && [ "${stop_stage}" -ge 12 ]; then
        if ! "${mini}"; then options+=(--recognizer "${recognizer:-}"); fi
        options+=(--ngram "${ngram:-}")
    fi
    if trains && [ -n "${pretrained_model}" ] && [ -z "${aligner:-}" ]; then
        options+=(--pretrained_model "${pretrained_model}")  # that of an aligner is trained first
    fi
    if ! "${skip_upload_hf}" && [ "${stop_stage}" -ge 15 ]; then options+=(--hf_repo "${hf_repo}"); fi
    if [ -n "${speed_perturb_factors}" ]; then
        options+=(--speed_perturb_factors "${speed_perturb_factors}")
    fi
    if [ -n "${results}" ]; then run update_results "${results}"; fi  # can it be written?
    if [ "${#options[@]}" -gt 0 ]; then run check_run "${options[@]}"; fi
}

# The experiment's name has the arguments that change the yaml, as in ESPnet's recipes.
tag_of_args() { printf '%s' "${slu_args}" | sed -e 's/--/_/g' -e 's/[][ =/{}",]//g'; }

# Set what follows from the configuration and from the GPUs.
read_settings() {
    local settings gpus checkpoint
    settings=$(run settings --config "${slu_config}" --slu_args "${slu_args}" --dump "${dumpdir}" \
        --cache_features "${cache_features}")
    { read -r feats; read -r gpus; read -r checkpoint; } <<< "${settings}"
    inference_slu_model=${inference_slu_model:-${checkpoint}}
    # A cluster's GPUs are not seen from the machine that submits.
    if [ "${cmd_backend}" = slurm ] && [ "${ngpu:-0}" -gt "${gpus}" ]; then gpus=${ngpu}; fi
    gpu_inference=${gpu_inference:-$([ "${gpus}" -gt 0 ] && echo true || echo false)}
    [[ "${gpu_inference}" =~ ^(true|false)$ ]] ||
        die "option --gpu_inference ${gpu_inference}: neither true nor false"
    if [ -z "${ngpu}" ] && [ "${gpus}" -eq 0 ] && ! "${mini}" && ! "${dry_run}" && trains; then
        die "torch sees no GPU; --ngpu 0 trains on the CPU, which takes weeks for 960 hours"
    fi
    if [ "${cmd_backend}" = local ] && ! "${dry_run}"; then  # other machines have their own
        if [ "${ngpu:-0}" -gt "${gpus}" ] && trains; then
            die "--ngpu ${ngpu}: torch sees ${gpus} GPU(s) here"
        fi
        if "${gpu_inference}" && [ "${gpus}" -eq 0 ]; then
            die "--gpu_inference true: torch sees no GPU here"
        fi
    fi
    ngpu=${ngpu:-${gpus}}
    cuda_cmd=("${cuda_cmd[@]/#gpu:auto/gpu:${ngpu}}")  # cmd.sh was read before this was known
    processes=$(((ngpu > 0 ? ngpu : 1) * num_nodes))  # of training, one per GPU
}

# Succeed if this run trains a model.
trains() {
    ! "${skip_train}" && [ -z "${download_model}" ] &&
        [ "${stage}" -le 11 ] && [ "${stop_stage}" -ge 10 ]
}

run() { ${train_cmd} "${python}" -m "espnet_wabert.bin.$@"; }

# run_on DEVICE COMMAND OPTIONS...: run a command on a machine for this device, cpu or cuda.
run_on() {
    if [ "$1" = cpu ]; then run "${@:2}"; return; fi
    ${decode_cmd} "${python}" -m "espnet_wabert.bin.$2" "${@:3}"
}

# file_name_of MODEL: print a file name for a folder or a name on a hub; the last part of two may be
# the same.
file_name_of() { sed -E 's|^[./]+||; s|/+$||; s|/+|--|g' <<< "$1"; }

feats_of() { if [ -n "${feats}" ]; then echo "${feats}/$1"; fi; }  # SET

unique() { printf '%s\n' "$@" | awk '!seen[$0]++'; }

# decode COMMAND OPTIONS...: run a command that decodes the test sets.
decode() {
    run_on "${inference_device}" "$@" --sets "${test_sets}" --device "${inference_device}" \
        --batch_seconds "${batch_seconds}" "${model_workers[@]}"
}

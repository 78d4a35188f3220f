#!/usr/bin/env bash
# Stage 1: make the data folders of LibriSpeech and, if it is there, of TIMIT's test set.
# Run from the recipe's folder; run.sh gives the options.
set -euo pipefail
. ./path.sh
. ../parse_options.sh

# Options
mini=false            # make the embedded corpus first
corpora=downloads     # folder of the corpora
librispeech=          # LibriSpeech's folder; default: CORPORA/LibriSpeech, downloaded if missing
train_parts=          # parts of it for training, with commas; default: 960 hours
train_set=train_960   # the name of their data folder
base_url=             # a mirror of OpenSLR 12
size=full             # of the embedded corpus
md5sums=              # its checksums
remove_archives=false # after unpacking
timit=                # TIMIT's folder
more_data=            # a formatted data folder that joins the training data
train_word_times=true # read the word times of the training data, where there are any
datadir=data          # where the data folders go
nj=1                  # processes for audio files
dask=                 # a Dask cluster for them: its yaml
skip_bad=false        # leave unreadable utterances out
# End of options
parse_options "$@"
train_parts=${train_parts:-train-clean-100,train-clean-360,train-other-500}
test_parts=dev-clean,dev-other,test-clean,test-other
run() { "${python}" -m "espnet_wabert.bin.$@"; }

if "${mini}"; then
    run make_mini --out "${corpora}" --size "${size}" --nj "${nj}"
elif [ -z "${librispeech}" ]; then
    run download_corpus librispeech --out "${corpora}" --parts "${train_parts},${test_parts}" \
        --remove_archives "${remove_archives}" ${base_url:+--base_url "${base_url}"} \
        ${md5sums:+--md5sums "${md5sums}"}
fi
prepare=(run prepare_data librispeech --corpus "${librispeech:-${corpora}/LibriSpeech}"
    --nj "${nj}" --dask "${dask}" --skip_bad "${skip_bad}")
for part in ${test_parts//,/ }; do
    "${prepare[@]}" --parts "${part}" --out "${datadir}/${part//-/_}"
done
"${prepare[@]}" --parts "${train_parts}" --word_times "${train_word_times}" \
    --out "${datadir}/${train_set}"
if [ -n "${more_data}" ]; then
    without=sentiment
    if ! "${train_word_times}"; then without+=" words"; fi
    run combine_data --without "${without}" --out "${datadir}/train_more" \
        "${datadir}/${train_set}" "${more_data}"
fi
run combine_data --out "${datadir}/dev" "${datadir}"/dev_{clean,other}
if [ -d "${timit}" ]; then
    run prepare_data timit --corpus "${timit}" --split test --nj "${nj}" --dask "${dask}" \
        --skip_bad "${skip_bad}" --out "${datadir}/timit_test"
else
    echo "no TIMIT in ${timit}: word boundaries are scored where LibriSpeech has word times"
fi

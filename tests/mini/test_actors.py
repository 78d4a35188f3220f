"""Recordings of actors: the game's archive, which text belongs to which clip, and their plan."""

import io
import struct

import numpy as np
import pytest
import soundfile

from espnet_wabert.errors import UserError
from espnet_wabert.mini import actors, debian, librispeech
from espnet_wabert.mini.hearing import actors_error_rates
from espnet_wabert.mini.utterance import speak

RATE = 11025  # Hz


def tone(seconds, hertz=300):
    at = np.arange(round(seconds * RATE)) / RATE
    file = io.BytesIO()
    soundfile.write(file, np.sin(2 * np.pi * hertz * at) / 4, RATE, format="MP3")
    return file.getvalue()


def string(text):
    return bytes([len(text)]) + text.encode()


def dialogue(number, hero, other, levels=2):
    """A dialogue's file: a level is 96 bytes; lines have an id and begin at multiples of 4."""

    def lines(pairs):
        found = b""
        for line, text in pairs:
            found += struct.pack(">HH", 0, line) + string(text)
            found += b"\0" * (-len(found) % 4)
        return found

    first = lines(hero)
    begin = 32 + 96 * levels
    head = struct.pack(">5h", -levels, 7, number, len(hero), len(other)).ljust(22, b"\0")
    head += struct.pack(">H", begin + len(first))
    return b"\0" * actors.HEADER + head.ljust(begin, b"\0") + first + lines(other)


def scene(texts):
    """A scene's file: empty texts are one byte, the others end at even places."""
    data = struct.pack(">5H", 0, len(texts), 0, 0, 40).ljust(40, b"\0") + b"\0"  # its own name
    for text in texts:
        data += string(text)
        data += b"\0" * (len(data) % 2 if text else 0)
    return b"\0" * actors.HEADER + data


def remarks(of_things, general):
    blank = [""] * (actors.GENERAL_LINE + 1 - len(of_things))
    return "\r\n".join([*of_things, *blank, *general]).encode("latin-1")


def write_archive(sources, files):
    path = sources / actors.NAME / actors.ARCHIVE
    path.parent.mkdir(parents=True)
    head = b"QTBLCEM10\0\0\0\x01" + struct.pack(">H", len(files))
    at, table, content = len(head) + 21 * len(files), b"", b""
    for name, data in files.items():
        table += name.encode().ljust(13, b"\0") + struct.pack(">II", at + len(content), len(data))
        content += data
    path.write_bytes(head + table + content)
    return path


@pytest.fixture
def sources(tmp_path):
    clips = (
        "020006J1", "020006J2", "0201A4P2", "02SSSSJ1", "C5C__021", "C5C__022", "C5C__041",
        "JOE00011", "JOE00411", "03000AJ1",
    )  # fmt: skip
    files = {f"{clip}.SB": tone(1.5, 200 + 20 * n) for n, clip in enumerate(clips)}
    files["030009J1.SB"] = tone(8.0)  # far too long for its text
    hero = [(0, "Hello there!"), (6, "At least I don't need one.*15I'm a better pilot.*03")]
    files["BOB.DOG"] = dialogue(2, hero, [(0x1A4, '*FLYou\'ve found it, "Joe".*02')])
    files["APE.DOG"] = dialogue(3, [(9, "Oh no."), (10, "It is 1947 now.")], [])
    files["C5C.CUT"] = scene(["*", "What a bird.*01Polly wants a cracker.*03", "", "Who is he?"])
    general = [f"general answer {n}" for n in range(actors.GENERAL)]
    files["QUEEN2.JAS"] = remarks(["It looks nice*03", "Neat"], ["That won't work*24", *general])
    write_archive(tmp_path, files)
    return tmp_path


def test_each_clip_has_its_text(sources):
    lines = {line.clip: line.text for line in actors.read_lines(sources)}
    assert lines == {
        "020006J1": "at least i don't need one",
        "020006J2": "i'm a better pilot",
        "0201A4P2": "you've found it joe",
        "02SSSSJ1": "hello there",
        "C5C__021": "what a bird",
        "C5C__022": "polly wants a cracker",
        "C5C__041": "who is he",
        "JOE00011": "that won't work",
        "JOE00411": "it looks nice",
    }  # without digits (03000AJ1), and without a clip that is too long for its text (030009J1)


@pytest.mark.parametrize(
    ("clip", "actor"), [("0201A4P2", "02P"), ("02SSSSJ1", "02J"), ("C5C__021", "C5C")]
)
def test_who_speaks(clip, actor):
    assert actors.Line(clip, "").actor == actor


def test_a_faster_voice_is_the_recording_at_a_higher_rate(sources):
    plain = actors.ActorVoice("02P", 1.0, "0201A4P2", sources).speak("", None, 0)
    fast = actors.ActorVoice("02P", 1.1, "0201A4P2", sources).speak("", None, 0)
    np.testing.assert_array_equal(plain.samples, fast.samples)
    assert (plain.rate, fast.rate) == (RATE, round(1.1 * RATE))
    assert len(plain.samples) == pytest.approx(1.5 * RATE, abs=0.1 * RATE)  # MP3's frames
    assert plain.words == []  # not known


def planned(copies, sources):
    rng = np.random.default_rng(0)
    return librispeech.with_actors(librispeech.Planned([], []), copies, sources, rng)


def test_the_plan_has_copies_of_each_line_in_two_parts(sources):
    plan = librispeech.with_actors(
        librispeech.Planned([], []), 2, sources, np.random.default_rng(0)
    )
    count = len(actors.read_lines(sources))
    assert len(plan.plans) == 2 * count
    assert len({p.key for p in plan.plans}) == 2 * count
    assert {p.voice.speed == 1.0 for p in plan.plans[:count]} == {True}
    assert {p.voice.speed == 1.0 for p in plan.plans[count:]} == {False}
    assert [part for part, _ in plan.speakers] == ["train-clean-360"] * 4 + ["train-other-500"] * 4


def test_utterances_without_word_times_have_no_alignment_file(sources, tmp_path):
    plan = librispeech.with_actors(
        librispeech.Planned([], []), 1, sources, np.random.default_rng(0)
    )
    audio, spoken = speak(plan.plans[0])
    assert spoken.words == []
    assert 1.5 * 16000 < len(audio) == spoken.samples < 2.7 * 16000
    one = librispeech.Planned(plan.plans[:1], plan.speakers)
    folder = (tmp_path / plan.plans[0].path).parent
    folder.mkdir(parents=True)
    librispeech.write_librispeech(tmp_path, one, {spoken.key: spoken})
    text = next(folder.glob("*.trans.txt")).read_text()
    assert text == f"{spoken.key} {plan.plans[0].text.upper()}\n"
    assert not list(folder.glob("*.alignment.txt"))


def test_actors_with_enough_lines_are_heard(sources):
    """02J says twelve words; ten are other ones than what this recognizer always hears."""
    heard = actors_error_rates(lambda audio: ["Hello there"] * len(audio), 3, 0, sources)
    rates = {voice.name: voice.rate for voice in heard}
    assert rates == pytest.approx({"actor-02J+speed1.00": 10 / 12, "actor-C5C+speed1.00": 1.0})


def test_another_file_is_refused(tmp_path):
    path = tmp_path / actors.NAME / actors.ARCHIVE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"QTBLCEM10\0\0\0\x02" + bytes(100))  # another format of sounds
    with pytest.raises(UserError, match=r"queen\.1c: not the archive"):
        actors.read_lines(tmp_path)


def test_a_file_that_ends_early_is_named(sources, tmp_path):
    path = sources / actors.NAME / actors.ARCHIVE
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"queen\.1c: ends before .*\.(CUT|JAS|DOG)"):
        actors.Archive(path)


def test_a_clip_that_is_no_mp3_is_named(tmp_path):
    path = write_archive(tmp_path, {"020006J1.SB": b"no sound"})
    archive = actors.Archive(path)
    for ask in (archive.audio, archive.seconds):
        with pytest.raises(UserError, match=r"queen\.1c: 020006J1\.SB"):
            ask("020006J1")


def test_a_missing_file_is_named(tmp_path):
    write_archive(tmp_path, {"020006J1.SB": tone(1.0)})
    with pytest.raises(UserError, match=r"queen\.1c: holds no QUEEN2\.JAS"):
        actors.read_lines(tmp_path)


def test_what_was_not_fetched_is_said(tmp_path):
    with pytest.raises(UserError, match="fetch_sources --actors"):
        actors.read_lines(tmp_path)


def test_only_debian_has_them(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="flight-of-the-amazon-queen.*apt-get"):
        actors.fetch_actors(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_package_without_the_file_is_named(tmp_path, monkeypatch):
    """With commands in place of apt-get and dpkg-deb that unpack nothing of use."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, does in (
        ("apt-get", "touch game.deb"), ("dpkg-deb", "mkdir -p unpacked/usr/share/games")
    ):  # fmt: skip
        (commands / name).write_text(f"#!/bin/sh\n{does}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    with pytest.raises(UserError, match=r"game: hold no games/x\.dat"):
        debian.fetch_debian(("game",), "game", (debian.Path("games/x.dat"),), tmp_path)
    assert not (tmp_path / "game").exists()
    assert debian.fetch_debian(("game",), "game", (debian.Path("games"),), tmp_path)
    assert not debian.fetch_debian(("game",), "game", (), tmp_path)  # it is there

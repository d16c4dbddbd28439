"""Which models are proposed: by language, length, rows, time, engine, and by what can be had."""

import json
import os
import shutil
from dataclasses import replace as changed
from pathlib import Path

import pytest

from core.data.dataset import ignore
from core.data.inspecting.guess_language import guess, guess_one
from core.data.prepare import prepare
from core.hub import reach
from core.models import files, names
from core.models.at_hand import at_hand
from core.models.catalogue import BY_NAME, CATALOGUE, MANY, Entry
from core.models.proposal import Choice, Needs, candidates, propose
from core.runs import outlook as plan
from core.runs import proposing
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.engines import KERAS_TYPES
from core.spec.model import ModelSpec
from core.spec.recommended import settled
from core.spec.run import RunSpec, replace

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def quick(entry: Entry) -> float:
    """Seconds on a machine that takes a minute for a base model."""
    return entry.shape.weights / 1.4e6


def by_tier(needs: Needs, here: tuple[str, ...] = (), downloads: bool = True, slower: float = 1) -> dict[str, Choice]:
    models = candidates([BY_NAME[name] for name in here], downloads)
    return {choice.tier: choice for choice in propose(models, needs, lambda e: slower * quick(e))}


@pytest.mark.parametrize("language", ["en", "ja", "zh", "ko", "de", "fr", "ru", ""])
def test_each_language_gets_models_that_know_it_the_balanced_one_among_them(language: str) -> None:
    choices = by_tier(Needs(language, 60, 20_000))
    assert "balanced" in choices
    for choice in choices.values():
        assert choice.entry.language in {language, MANY}
        assert choice.reason and not choice.here
    weights = [choices[tier].entry.shape.weights for tier in ("fast", "balanced", "best") if tier in choices]
    assert weights == sorted(weights) and len(set(weights)) == len(weights)


def test_a_model_of_the_language_itself_comes_before_one_of_many() -> None:
    assert [choice.entry.language for choice in by_tier(Needs("ja", 60, 20_000)).values()] == ["ja", "ja", "ja"]
    assert by_tier(Needs("de", 60, 20_000))["balanced"].entry.language == "de"


def test_a_slower_machine_gets_smaller_models() -> None:
    needs = Needs("en", 60, 20_000)
    fast, slow = by_tier(needs)["balanced"].entry, by_tier(needs, slower=12)["balanced"].entry
    assert slow.shape.weights < fast.shape.weights
    assert 12 * quick(slow) <= 600 < 12 * quick(fast)


def test_what_is_here_is_preferred_for_the_default_and_all_there_is_without_downloads() -> None:
    needs = Needs("en", 60, 20_000)
    bert = "google-bert/bert-base-uncased"
    assert by_tier(needs)["balanced"].entry.name != bert
    assert by_tier(needs, (bert,))["balanced"] == by_tier(needs, (bert,), downloads=False)["balanced"]
    assert {choice.here for choice in by_tier(needs, (bert, MINILM), downloads=False).values()} == {True}
    assert by_tier(needs, downloads=False) == {}
    assert by_tier(changed(needs, language="ja"), (bert,), downloads=False) == {}


def test_long_texts_get_a_model_that_reads_them_whole() -> None:
    assert (by_tier(Needs("en", 2_000, 20_000), slower=2)["balanced"].entry.longest or 0) >= 2_000


def test_few_rows_get_a_model_that_compares_texts() -> None:
    assert by_tier(Needs("en", 60, 300))["balanced"].entry.compares
    assert not by_tier(Needs("en", 60, 30_000))["balanced"].entry.compares


def test_engine_and_memory_limit_the_choice() -> None:
    keras = by_tier(Needs("en", 60, 20_000, frozenset(KERAS_TYPES)))
    assert {choice.entry.model_type for choice in keras.values()} <= set(KERAS_TYPES)
    assert [c.entry.name for c in by_tier(Needs("en", 60, 20_000, memory=2.0e9)).values()] == [MINILM]


def test_the_catalogue_agrees_with_itself() -> None:
    for entry in CATALOGUE:
        bytes_per_weight = entry.size / entry.parameters
        assert 3.7 < bytes_per_weight < 4.3, f"{entry.name}: weights in fp32"
        assert entry.shape.weights < entry.parameters
        assert entry.longest and entry.licence


def test_the_catalogue_describes_a_real_model_rightly(minilm: Path) -> None:
    from core.models.at_hand import describe

    entry, known = describe(minilm, "my-model").entry, BY_NAME[MINILM]
    assert (entry.model_type, entry.shape, entry.longest) == (known.model_type, known.shape, known.longest)
    assert entry.language == "en" and entry.licence == "apache-2.0"
    assert round(entry.parameters / 1e6) == known.parameters / 1e6 and abs(entry.size - known.size) < 1e6


def lay_into_cache(folder: Path, name: str, cache: Path) -> Path:
    """Lays a model's folder into a cache of the Hub as huggingface_hub does."""
    place = cache / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs/main").write_text("c0ffee")
    return Path(shutil.copytree(folder, place / "snapshots/c0ffee"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_and_the_operators_folders_are_listed(settings: Settings, cache: Path, tiny_bert: Path) -> None:
    assert at_hand(settings) == []
    lay_into_cache(tiny_bert, "tiny/whole", cache)
    broken = lay_into_cache(tiny_bert, "tiny/broken", cache)
    (broken / "model.safetensors").write_bytes(b"half")
    finished = lay_into_cache(tiny_bert, "tiny/sentiment", cache)
    config = json.loads((finished / "config.json").read_text())
    (finished / "config.json").write_text(json.dumps(config | {"architectures": ["BertForSequenceClassification"]}))
    root = cache.parent / "models"
    shutil.copytree(tiny_bert, root / "ours")
    (root / "ours/README.md").write_text("---\nlanguage: [de, fr]\nlicense: mit\n---\nOurs.\n")

    local = at_hand(changed(settings, roots=(root,)))
    assert {model.entry.name: model.general for model in local} == {
        "tiny/sentiment": False,
        "tiny/whole": True,
        str(root / "ours"): True,
    }
    ours = local[-1].entry
    assert (ours.language, ours.licence, ours.parameters > 1000) == (MANY, "mit", True)
    team = changed(settings, roots=(root,), mode="team")
    assert at_hand(team)[-1].entry.name == "models/ours"
    assert names.kind_of("models/ours", team) == "folder", "not a model of the Hub that happens to be called so"
    spec = RunSpec(model=ModelSpec(name="models/ours", max_length=32))
    assert (
        names.fetch(spec.model, team, ignore)
        == names.known_folder("models/ours", None, team)
        == (root / "ours").resolve()
    )
    assert names.known_type("models/ours", None, team) == "bert" and plan.problems(spec, None, team) == []
    assert names.kind_of("models/ours", changed(team, mode="local")) == "hub"
    assert {e.name for e in proposing.entries_here(settings)} == {"tiny/whole"}


@pytest.mark.parametrize(
    "card", ["---\n: [\n---\n", "---\nlanguage: &a [*a]\n---\n", "no front", "---\nlicense: <b>\n---\n"]
)
def test_a_hostile_card_says_nothing(tiny_bert: Path, tmp_path: Path, card: str) -> None:
    from core.models.at_hand import describe

    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    (folder / "README.md").write_text(card)
    entry = describe(folder, "x").entry
    assert (entry.language, entry.licence) == ("", "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", ["many"]), ("shape", None), ("shape", [10**9, 10**9]), ("shape", [10**7] * 4), ("shape", 7),
        ("architectures", 7), ("architectures", {"a": []}), ("hidden_size", "wide"), ("intermediate_size", 10**6),
    ],
)  # fmt: skip
def test_a_hostile_folder_does_no_harm_to_the_list(
    settings: Settings, cache: Path, tiny_bert: Path, key: str, value: object
) -> None:
    folder = lay_into_cache(tiny_bert, "tiny/odd", cache)
    if key == "shape":
        content = (folder / "model.safetensors").read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        next(tensor for name, tensor in header.items() if name != "__metadata__")[key] = value
        changed_header = json.dumps(header).encode()
        whole = len(changed_header).to_bytes(8, "little") + changed_header + content[8 + length :]
        (folder / "model.safetensors").write_bytes(whole)
    else:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {key: value}))
    for model in at_hand(settings):
        assert 0 <= model.entry.parameters < 10**9 and model.entry.shape.weights >= 0


def test_files_beside_the_weights_are_not_opened(settings: Settings, cache: Path, tiny_bert: Path) -> None:
    folder = lay_into_cache(tiny_bert, "tiny/more", cache)
    ((model,),) = (at_hand(settings),)
    (folder / "model.fp16.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    shutil.copy(folder / "model.safetensors", folder / "model-00001-of-00002.safetensors")
    assert at_hand(settings) == [model], "the same weights, of the same size"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
@pytest.mark.timeout(20)
def test_a_pipe_in_the_place_of_a_card_is_not_waited_for(tiny_bert: Path, tmp_path: Path) -> None:
    from core.models.at_hand import describe

    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    os.mkfifo(folder / "README.md")
    assert describe(folder, "x").entry.language == ""


def test_a_root_with_very_many_folders_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[Path] = []
    folders = files._folders

    def listing(folder: Path) -> list[Path]:
        listed.append(folder)
        return folders(folder)

    monkeypatch.setattr(files, "MOST_LOOKED_AT", 40)
    monkeypatch.setattr(files, "_folders", listing)
    for outer in range(10):
        for inner in range(10):
            (tmp_path / f"{outer}/{inner}").mkdir(parents=True)
    assert files.nested_models(tmp_path) == []
    assert len(listed) <= 41, "once as many folders were looked at, no other one is opened"


@pytest.mark.parametrize(
    ("tokenizer", "file", "kind"),
    [
        ("DebertaV2Tokenizer", "spm.model", "deberta-v2"),
        ("XLMRobertaTokenizer", "sentencepiece.bpe.model", "xlm-roberta"),
    ],
)
def test_a_tokenizer_of_sentencepiece_alone_loads_after_the_plain_install(
    tmp_path: Path, tokenizer: str, file: str, kind: str
) -> None:
    import sentencepiece

    from core.models.loading import open_tokenizer

    (tmp_path / "texts.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 50)
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "texts.txt"),
        model_prefix=str(tmp_path / "spm"),
        vocab_size=45,
        hard_vocab_limit=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "spm.model").rename(folder / file)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": tokenizer}))
    assert len(open_tokenizer(folder, "tiny")("the quick fox")["input_ids"]) > 4


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> DataSpec:
    lines = [f"what is the balance of my account {n},{'ab'[n % 2]}" for n in range(300)]
    (tmp_path / "own.csv").write_text("\n".join(["text,label", *lines]))
    return DataSpec(source="file", path=str(tmp_path / "own.csv"))


def test_a_run_is_proposed_what_is_here_without_the_hub(
    settings: Settings, own: DataSpec, cache: Path, minilm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "may_be_asked", lambda: False)
    spec, prepared = plan.start_from(own), prepare(own, settings)
    assert proposing.propose_models(spec, prepared, settings).choices == ()
    assert proposing.choose_model(spec, prepared, settings) is None
    lay_into_cache(minilm, MINILM, cache)
    proposal = proposing.propose_models(spec, prepared, settings)
    assert [(c.tier, c.entry.name, c.here) for c in proposal.choices] == [("balanced", MINILM, True)]
    assert "English" in proposal.ground
    assert proposing.propose_models(spec, prepared, changed(settings, mode="demo")).choices == ()


def test_a_hub_that_does_not_answer_is_found_out_before_the_run(
    settings: Settings, own: DataSpec, cache: Path, minilm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(reach, "_silent_until", 0.0)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://nowhere.invalid")
    spec, prepared = plan.start_from(own), prepare(own, settings)
    assert proposing.propose_models(spec, prepared, settings).default is not None
    assert proposing.choose_model(spec, prepared, settings) is None
    assert not reach.may_be_asked(), "for some minutes nothing is proposed from it"
    lay_into_cache(minilm, MINILM, cache)
    choice = proposing.choose_model(spec, prepared, settings)
    assert choice is not None and choice.here


def test_a_hub_on_this_machine_is_not_proposed_from(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(reach, "_silent_until", 0.0)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert not reach.may_be_asked()
    monkeypatch.setattr(constants, "ENDPOINT", "https://huggingface.co")
    assert reach.may_be_asked()


def test_the_time_grows_with_rows_epochs_and_weights(settings: Settings, own: DataSpec) -> None:
    spec, prepared = plan.start_from(own), prepare(own, settings)
    texts, ahead = proposing.describe_texts(own, prepared), plan.outlook(spec, prepared)
    assert ahead is not None
    small, large = BY_NAME[MINILM], BY_NAME["FacebookAI/roberta-base"]

    def seconds(entry: Entry, outlook: plan.Outlook) -> float:
        estimate = proposing.training_seconds(entry, spec, outlook, texts, proposing.Machine(1e11, None, is_gpu=False))
        return (estimate or 0.0) - proposing.START_S

    assert seconds(large, ahead) > 5 * seconds(small, ahead) > 0
    more = changed(ahead, train=10 * ahead.train, steps=10 * ahead.steps)
    assert seconds(small, more) > 5 * seconds(small, ahead)


def test_a_model_is_chosen_by_the_time_that_its_run_takes(
    settings: Settings, own: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "may_be_asked", lambda: True)
    monkeypatch.setattr(proposing, "machine_for", lambda spec: proposing.Machine(1e11, None, is_gpu=False))
    spec, prepared = plan.start_from(own), prepare(own, settings)
    expected = settled(spec, proposing.recommended(spec, prepared, classes=2))
    assert expected.training.num_train_epochs > spec.training.num_train_epochs, "few rows are seen more often"
    for choice in proposing.propose_models(spec, prepared, settings, classes=2).choices:
        assert choice.seconds == proposing.times([choice.entry], expected, prepared)[choice.entry.name]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("what is the balance on my account", "en"),
        ("これは良い映画です", "ja"),
        ("这部电影很好看", "zh"),
        ("영화가 정말 좋았어요", "ko"),
        ("der Film war nicht gut", "de"),
        ("le film est très bien", "fr"),
        ("это хорошо", "ru"),
        ("це добре, її", ""),
        ("مرحبا بالعالم", ""),
        ("great product", ""),
        ("123", None),
    ],
)
def test_the_language_of_a_text_is_guessed_only_if_it_is_plain(text: str, language: str | None) -> None:
    assert guess_one(text.lower()) == language


def test_texts_in_two_languages_have_none() -> None:
    english, german = ["what is the time in my city"] * 6, ["der Film war nicht gut"] * 4
    assert guess(english) == "en" and guess(english + german) == ""
    assert guess([]) == "" and guess(["12", "!"]) == ""


def test_the_speed_of_this_machine_is_measured() -> None:
    assert 1e9 < proposing.core_rate() < 1e13


def test_a_device_of_unknown_speed_has_no_estimate_and_ordinary_sizes(
    settings: Settings, own: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "may_be_asked", lambda: True)
    spec, prepared = replace(plan.start_from(own), {"execution.device": "mps"}), prepare(own, settings)
    choices = proposing.propose_models(spec, prepared, settings).choices
    assert choices and all(choice.seconds is None and "minutes" not in choice.reason for choice in choices)
    assert max(choice.entry.shape.weights for choice in choices) <= 400e6


def test_train_says_which_model_it_chose(
    settings: Settings,
    own: DataSpec,
    cache: Path,
    minilm: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from core.cli.training import _with_model

    monkeypatch.setattr(reach, "may_be_asked", lambda: False)
    assert _with_model(RunSpec(data=own), settings).model.name == "scratch"
    assert "learns from your rows alone" in capsys.readouterr().err
    lay_into_cache(minilm, MINILM, cache)
    assert _with_model(RunSpec(data=own), settings).model.name == MINILM
    assert f"{MINILM} is chosen" in capsys.readouterr().err

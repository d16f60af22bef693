"""Random tables, and what Evidently says of them: `drift.py FOLDER COUNT SEED`.

Each case becomes a folder with the files `reference.*` and `current.*` and with `case.json`: the files' names, the method that is
asked for, and the answer, or the error's name.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import numpy as np
import pandas as pd
from evidently import Report
from evidently.legacy.utils import data_drift_utils
from evidently.metrics import column_statistics
from evidently.presets import DataDriftPreset
from scipy.stats import rankdata

NAMES = {
    "K-S p_value": "ks",
    "chi-square p_value": "chisquare",
    "Z-test p_value": "z",
    "Wasserstein distance (normed)": "wasserstein",
    "Jensen-Shannon distance": "jensenshannon",
    "PSI": "psi",
    "Kullback-Leibler divergence": "kl_div",
    "Hellinger distance": "hellinger",
    "Percentile text content drift": "perc_text_content_drift",
    "Absolute text content drift": "abs_text_content_drift",
}

# Pictures take most of the time and change no number.
column_statistics.ValueDriftCalculation._render = lambda *_: None
DataDriftPreset.render = lambda *_, **__: []


def guesses(y_test, p_value=0.05, iter_num=1000, seed=42):
    """The same guesses as in the original, whose scorer takes most of the time otherwise."""
    np.random.seed(seed)
    seeds = np.random.randint(0, iter_num * 10, size=iter_num)
    is_one = np.asarray(y_test) == 1
    ones, zeros = is_one.sum(), (~is_one).sum()
    areas = []
    for seed in seeds:
        np.random.seed(seed)
        ranks = rankdata(np.random.rand(len(y_test)))
        areas.append((ranks[is_one].sum() - ones * (ones + 1) / 2) / (ones * zeros))
    return np.percentile(areas, 100 * (1 - p_value))


data_drift_utils.roc_auc_random_classifier_percentile = guesses
seen = []
compare = column_statistics.get_one_column_drift


def noted(**arguments):
    found = compare(**arguments)
    seen.append(found)
    return found


column_statistics.get_one_column_drift = noted


def number(value):
    value = float(value)
    return value if np.isfinite(value) else None


def answer(reference, current, method):
    seen.clear()
    preset = DataDriftPreset() if method is None else DataDriftPreset(method=method)
    try:
        metrics = Report([preset]).run(current, reference).dict()["metrics"]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    share = float(metrics[0]["value"]["share"])
    columns = [
        {
            "column": str(found.column_name),
            "type": found.column_type,
            "method": NAMES[found.stattest_name],
            "score": number(found.drift_score),
            "threshold": found.stattest_threshold,
            "drifted": bool(found.drift_detected),
        }
        for found in seen
    ]
    return {"drifted": share >= 0.5, "share": share, "columns": columns}


def words(rng, n, pool):
    return [pool[i] for i in rng.integers(0, len(pool), n)]


def holes(rng, values, share, hole):
    return [hole if rng.random() < share else value for value in values]


NULLS = ["", "NA", "null", "NaN", "None", "<NA>", "n/a", "#N/A"]
FRUIT = ["apple", "pear", "plum", "quince", "cherry", "fig", "grape", "lemon", "lime", "mango"]
TOOLS = ["hammer", "drill", "plane", "chisel", "wrench", "pliers", "ladder", "rasp", "clamp", "vise"]


def sentences(rng, n, pool):
    return [" ".join(words(rng, 6, pool)) + f" no{i}" for i in range(n)]


def numbers(rng, n, m):
    """Columns of numbers as texts of a CSV file: reference, current."""
    shift = rng.choice([0.0, 0.0, 0.05, 0.3, 1.0])
    kind = rng.integers(0, 15)
    normal = lambda k, s=0.0: rng.normal(s, 1.0, k)
    if kind == 0:
        return [repr(float(x)) for x in normal(n)], [repr(float(x)) for x in normal(m, shift)]
    if kind == 1:
        return [f"{x:.2f}" for x in normal(n)], [f"{x:.2f}" for x in normal(m, shift)]
    if kind == 2:
        return [f"{x:.1f}" for x in rng.exponential(0.4, n)], [f"{x:.1f}" for x in rng.exponential(0.4 + shift, m)]
    if kind == 3:
        return [f"{x:.6e}" for x in 1e-9 * normal(n)], [f"{x:.6e}" for x in 1e-9 * normal(m, shift)]
    if kind == 4:
        half = lambda k, p: [repr(0.5 * x) for x in rng.binomial(3, p, k)]
        return half(n, 0.4), half(m, 0.4 + shift / 5)
    if kind == 5:
        high = int(rng.choice([2, 3, 8, 11, 40, 5000]))
        return [str(x) for x in rng.integers(0, high, n)], [str(x) for x in rng.integers(0, high + int(5 * shift), m)]
    if kind == 6:
        left, right = ([str(x) for x in rng.integers(0, 30, k)] for k in (n, m))
        return holes(rng, left, 0.1, rng.choice(NULLS)), holes(rng, right, 0.1, rng.choice(NULLS))
    if kind == 7:
        left, right = ([repr(float(x)) for x in normal(k)] for k in (n, m))
        return holes(rng, left, 0.05, "inf"), holes(rng, right, rng.choice([0.0, 0.05]), "-inf")
    if kind == 8:
        return [str(2**60 + int(x)) for x in rng.integers(0, 10**6, n)], [str(2**60 + int(x)) for x in rng.integers(0, 10**6, m)]
    if kind == 9:
        return ["7.25"] * n, [str(rng.choice(["7.25", "7.5"]))] * m
    if kind == 10:
        return [f" {x:.3f} " for x in rng.gamma(2, 1, n)], [f"+{x:.3f}" for x in rng.gamma(2, 1 + shift, m)]
    if kind == 11:
        return [str(x) for x in rng.integers(-3, 4, n)], [str(x) for x in rng.integers(-3, 5, m)]
    if kind == 12:
        return [f"{x:.3f}" for x in normal(n)], [str(int(x)) for x in 4 * normal(m, shift)]
    if kind == 13:
        return [str(int(x)) for x in 20 * normal(n)], [f"{x:.1f}" for x in 20 * normal(m, shift)]
    return [str(x) for x in rng.poisson(3, n)], [f"{x}.0" for x in rng.poisson(3 + shift, m)]


def categories(rng, n, m):
    """Columns of categories and texts as texts of a CSV file: reference, current."""
    kind = rng.integers(0, 10)
    pool = list(rng.permutation(FRUIT))[: int(rng.integers(1, 10))]
    if kind <= 2:
        return words(rng, n, pool), words(rng, m, pool)
    if kind == 3:
        return words(rng, n, pool), words(rng, m, [*pool, "new one"])
    if kind == 4:
        flags = lambda k: words(rng, k, ["True", "False", "true"])
        return flags(n), flags(m)
    if kind == 5:
        flags = lambda k: words(rng, k, ["True", "False"])
        return flags(n), holes(rng, flags(m), 0.1, "")
    if kind == 6:
        return holes(rng, words(rng, n, pool), 0.2, "NA"), holes(rng, words(rng, m, pool), 0.1, "")
    if kind == 7:
        dates = lambda k: [f"2024-0{1 + x % 9}-1{x % 10}" for x in rng.integers(0, 90, k)]
        return dates(n), dates(m)
    if kind == 8:
        quoted = lambda k: words(rng, k, ['"a, b"', '"say ""hi"""', '"x"y', "plain"])
        return quoted(n), quoted(m)
    return words(rng, n, ["0", "1"]), words(rng, m, ["True", "False"])


def write_csv(path, columns):
    names = list(columns)
    rows = zip(*columns.values())
    path.write_text(",".join(names) + "\n" + "".join(",".join(row) + "\n" for row in rows))


SIZES = [12, 60, 250, 999, 1000, 1001, 1500, 3000]
METHODS = ["psi", "jensenshannon", "kl_div", "hellinger", "ks", "wasserstein", "chisquare", "z"]


def csv_case(rng, folder):
    n, m = (int(rng.choice(SIZES)) for _ in range(2))
    if rng.random() < 0.06:
        n, m = 10_500, int(rng.choice([40, 3000]))
    method = None if rng.random() < 0.5 else str(rng.choice(METHODS))
    left, right = {}, {}
    for i in range(int(rng.integers(1, 5))):
        # Tests fit one type of column only; most cases should have an answer.
        if method in ("ks", "wasserstein"):
            make = numbers
        elif method in ("chisquare", "z"):
            make = categories
        else:
            make = numbers if rng.random() < 0.6 else categories
        left[f"c{i}"], right[f"c{i}"] = make(rng, n, m)
    if rng.random() < 0.1 and method is None:
        left["text"] = sentences(rng, n, FRUIT)
        right["text"] = sentences(rng, m, TOOLS)
    if rng.random() < 0.1:
        left["more"] = ["1.5"] * n
    if rng.random() < 0.1:
        left["c0,c0"] = [f"{x},{x}" for x in left.pop("c0")]
        right["c0,c0"] = [f"{x},{x}" for x in right.pop("c0")]
    write_csv(folder / "reference.csv", left)
    write_csv(folder / "current.csv", right)
    return "csv", method


def frame(rng, n, shift):
    """A table with the types that Parquet has."""
    return pd.DataFrame(
        {
            "single": rng.normal(shift, 1, n).astype("float32"),
            "rounded": np.round(rng.normal(shift, 1, n), 1).astype("float32"),
            "double": rng.normal(shift, 1, n),
            "small": rng.integers(-5, 30 + int(10 * shift), n).astype("int8"),
            "few": rng.integers(0, 4, n).astype("int32"),
            "unsigned": rng.integers(0, 4, n).astype("uint16"),
            "moment": pd.to_datetime(rng.integers(0, 10**9, n), unit="s"),
            "category": pd.Categorical(words(rng, n, FRUIT[:4])),
            "word": words(rng, n, FRUIT[:3]),
            "flag": rng.random(n) < 0.4 + shift / 5,
            "maybe": holes(rng, [bool(x) for x in rng.integers(0, 2, n)], 0.1, None),
            "nullable": pd.array(rng.integers(0, 4, n), dtype="Int64"),
            "hole": holes(rng, [float(x) for x in rng.integers(0, 50, n)], 0.1, None),
        },
        index=pd.Index(rng.permutation(n), name="row"),
    )


def parquet_case(rng, folder):
    n, m = (int(rng.choice(SIZES)) for _ in range(2))
    frame(rng, n, 0.0).to_parquet(folder / "reference.parquet")
    frame(rng, m, float(rng.choice([0.0, 0.1, 1.0]))).to_parquet(folder / "current.parquet")
    return "parquet", None if rng.random() < 0.4 else str(rng.choice(METHODS[:4]))


def lines_case(rng, folder):
    for side, n in zip(("reference", "current"), rng.choice(SIZES[:6], 2)):
        columns = {
            "float": [float(x) for x in rng.normal(0, 1, n)],
            "int": [int(x) for x in rng.integers(0, 30, n)],
            "whole": [float(x) for x in rng.integers(0, 30, n)],
            "hole": holes(rng, [int(x) for x in rng.integers(0, 5, n)], 0.1, None),
            "word": words(rng, n, FRUIT[:3]),
            "digits": words(rng, n, ["1", "2", "3"]),
            "flag": [bool(x) for x in rng.integers(0, 2, n)],
            "date": [f"2024-01-{x:02}" for x in rng.integers(1, 28, n)],
            "list": [[int(x)] for x in rng.integers(0, 3, n)],
        }
        names = list(columns)
        rows = (dict(zip(names, row)) for row in zip(*columns.values()))
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "jsonl", None if rng.random() < 0.5 else str(rng.choice(METHODS[:4]))


READERS = {
    "csv": pd.read_csv,
    "parquet": pd.read_parquet,
    "jsonl": lambda path: pd.read_json(path, lines=True),
}


def main():
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = np.random.default_rng(seed)
    for case in range(count):
        place = folder / str(case)
        place.mkdir(parents=True)
        make = [csv_case, csv_case, csv_case, csv_case, parquet_case, lines_case][case % 6]
        ending, method = make(rng, place)
        reference, current = (READERS[ending](place / f"{side}.{ending}") for side in ("reference", "current"))
        expected = answer(reference, current, method)
        note = {"ending": ending, "method": method, "expected": expected}
        (place / "case.json").write_text(json.dumps(note))


main()

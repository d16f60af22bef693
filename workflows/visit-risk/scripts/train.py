#!/usr/bin/env python3
"""Trains a logistic regression with nothing but Python's standard library and writes a Pawl model file.

Usage: train.py DATA MODEL. The label is `mdvis > 0`; every other column is a feature. Newton's method on standardised
features with a ridge of 1; the same data gives the same file.
"""

import csv
import hashlib
import json
import math
import os
import sys

RIDGE = 1.0
LABEL = "mdvis"


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    features = [name for name in rows[0] if name != LABEL]
    x = [[float(row[name]) for name in features] for row in rows]
    y = [1.0 if float(row[LABEL]) > 0 else 0.0 for row in rows]
    return features, x, y


def standardise(x):
    n, k = len(x), len(x[0])
    means = [math.fsum(row[j] for row in x) / n for j in range(k)]
    scales = [math.sqrt(math.fsum((row[j] - means[j]) ** 2 for row in x) / n) or 1.0 for j in range(k)]
    return means, scales, [[(row[j] - means[j]) / scales[j] for j in range(k)] for row in x]


def solve(a, b):
    """Gaussian elimination with pivoting."""
    k = len(b)
    a = [row[:] + [b[i]] for i, row in enumerate(a)]
    for i in range(k):
        pivot = max(range(i, k), key=lambda r: abs(a[r][i]))
        a[i], a[pivot] = a[pivot], a[i]
        for r in range(i + 1, k):
            factor = a[r][i] / a[i][i]
            for c in range(i, k + 1):
                a[r][c] -= factor * a[i][c]
    out = [0.0] * k
    for i in reversed(range(k)):
        out[i] = (a[i][k] - sum(a[i][c] * out[c] for c in range(i + 1, k))) / a[i][i]
    return out


def fit(z, y):
    k = len(z[0]) + 1
    w = [0.0] * k
    for step in range(25):
        gradient = [0.0] + [RIDGE * value for value in w[1:]]
        hessian = [[RIDGE if i == j and i > 0 else 0.0 for j in range(k)] for i in range(k)]
        for row, label in zip(z, y):
            full = [1.0] + row
            p = 1.0 / (1.0 + math.exp(-sum(a * b for a, b in zip(w, full))))
            error, weight = p - label, p * (1.0 - p)
            for i in range(k):
                gradient[i] += error * full[i]
                scaled = weight * full[i]
                line = hessian[i]
                for j in range(i + 1):
                    line[j] += scaled * full[j]
        for i in range(k):
            for j in range(i):
                hessian[j][i] = hessian[i][j]
        change = solve(hessian, gradient)
        w = [a - b for a, b in zip(w, change)]
        size = max(abs(value) for value in change)
        print(f"step {step + 1}: largest change {size:.3g}", flush=True)
        if size < 1e-9:
            break
    return w


def main():
    data, model = sys.argv[1:3]
    features, x, y = read(data)
    means, scales, z = standardise(x)
    weights = fit(z, y)
    with open(data, "rb") as file:
        digest = "sha256:" + hashlib.sha256(file.read()).hexdigest()
    content = {
        "format": "pawl-model",
        "format_version": 1,
        "kind": "logistic-regression",
        "name": "visit-risk",
        "features": features,
        "label": f"{LABEL} > 0",
        "training": {
            "seed": 0,
            "rows": len(y),
            "data_digest": digest,
            "commit": os.environ.get("GITHUB_SHA", ""),
            "hyperparameters": {"ridge": RIDGE},
        },
        "parameters": {
            "intercept": weights[0],
            "coefficients": weights[1:],
            "means": means,
            "scales": scales,
        },
    }
    with open(model, "w", encoding="utf-8") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")
    with open(os.environ.get("GITHUB_OUTPUT", os.devnull), "a", encoding="utf-8") as file:
        file.write(f"rows={len(y)}\n")
    print(f"trained on {len(y)} rows, wrote {model}")


if __name__ == "__main__":
    main()

#!/bin/sh
# Makes the Python environment that drift is compared with: Evidently and the packages below it, pinned, since its numbers
# come from them. Does nothing when it is there. FORCE=1 makes it anew.
#
# Needs: python3 with venv, and a package index that pip reaches.
set -eu

# Another number at the end whenever the list below changes.
folder=$HOME/.cache/pawl/python-drift-1
if [ -z "${FORCE:-}" ] && [ -f "$folder/made" ]; then
    exit 0
fi
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
python3 -m venv "$folder"
# pandas 3.1 took away a function that this Evidently imports.
"$folder/bin/pip" install --quiet --disable-pip-version-check \
    evidently==0.7.23 pandas==3.0.6 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 pyarrow==26.0.1 statsmodels==0.15.0
touch "$folder/made"
echo "made $folder"

"""``python proposals.py TUNER …``: prints what each tuner proposes, as a line of JSON each."""

from __future__ import annotations

import json
import sys

from fake_studies import played, quality

#: SMAC's model begins to propose after four configurations.
SETTINGS = {"smac": {"n_initial": 4}, "smac_hyperband": {"n_initial": 4}}

if __name__ == "__main__":
    for name in sys.argv[1:]:
        results = played(name, 4, 12, lambda trial: quality(trial.config), **SETTINGS.get(name, {}))
        proposed = [[sorted(each.trial.config.items()), each.trial.fidelity] for each in results]
        print(json.dumps([name, proposed]))

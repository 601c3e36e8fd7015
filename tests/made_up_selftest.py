"""Results of self-tests that nobody made."""

import math
from dataclasses import replace

from significand.analysis.intervals import Estimate
from significand.doctor.selftest import Answer, Rate, SelfTest

RESULT = SelfTest(
    verdict="trust with more repeats",
    reason="1 of 20 experiments saw a difference where there is none; at most 25 % do (95 % interval)",
    remedy="--repeats 24 to see differences of 2 %",
    experiments=20,
    repeats=10,
    duration_s=118.6,
    interrupted=False,
    answers=(
        Answer(0.0, Rate(1, 20, 0.00127, 0.2487), Estimate(1.0004, 0.9991, 1.0017, "t", 0.95, 200)),
        Answer(0.02, Rate(15, 20, 0.509, 0.9134), Estimate(1.0203, 1.0186, 1.0221, "t", 0.95, 200)),
        Answer(0.05, Rate(20, 20, 0.8316, 1.0), Estimate(1.0540, 1.0441, 1.0641, "t", 0.95, 200)),
    ),
    pair_std=0.0283,
    detectable={5: 0.0489, 10: 0.0287, 30: 0.0151},
    repeats_needed=24,
    threads=2,
    steps=16800,
    disturbed_steps=12,
    remeasured_steps=340,
    failed=0,
)
NOTHING = replace(
    RESULT,
    verdict="cannot say",
    reason="no experiment was whole",
    remedy="",
    experiments=0,
    answers=(Answer(0.0, Rate(0, 0, math.nan, math.nan), Estimate(math.nan, math.nan, math.nan, "t", 0.95, 0)),),
    pair_std=math.nan,
    steps=0,
    threads=0,
    failed=2,
    interrupted=True,
)

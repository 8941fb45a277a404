"""The figures of the reference design, computed again from its own inputs.

The reference is the public workshop repository AkhileshMishra/DeeptechDifferentiator as of commit 283b3d3
(2026-01-12): a proof of concept for $434 a month (docs/ARCHITECTURE.md section 5) or $185 (REPOSITORY_STRUCTURE.md),
production for $2,454.
"""

from __future__ import annotations

from dataclasses import dataclass

from cost.prices import PriceTable
from cost.usage import HOURS_A_MONTH

RUNS, RUN_HOURS, PROCESSING_HOURS = 4, 25 / 60, 5 / 60
PRODUCTION_RUNS, PRODUCTION_SCANS, PRODUCTION_TOTAL = 16, 100, 2_454.0
PRODUCTION_SAGEMAKER = 2_170.0
PRODUCTION_PARTS = (14, 2_170, 3, 15, 20, 150, 32, 45, 5)
SPOT = 0.7


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One figure: what was stated, what its own inputs give with today's list prices, and where it went wrong."""

    about: str
    stated: float
    computed: float
    unit: str
    why: str


def claims(prices: PriceTable, htj2k_fraction: float) -> list[Claim]:
    """Every figure that can be computed again; `htj2k_fraction` is measured on the real CT."""
    p3 = prices.usd("ml.p3.2xlarge")
    gpu, cpu = RUNS * RUN_HOURS * p3, RUNS * PROCESSING_HOURS * prices.usd("ml.m5.2xlarge")
    runs = PRODUCTION_RUNS * (RUN_HOURS * p3 * (1 - SPOT) + PROCESSING_HOURS * prices.usd("ml.m5.2xlarge"))
    endpoint = HOURS_A_MONTH * prices.usd("ml.m5.xlarge")
    hot, cold = prices.usd("healthimaging-frequent-gb"), prices.usd("healthimaging-archive-gb")
    s3 = prices.usd("s3-standard-gb")
    return [
        Claim(
            about="training, proof of concept",
            stated=306.0,
            computed=gpu,
            unit="$ a month",
            why=f"4 runs of 25 minutes are {RUNS * RUN_HOURS:.2f} hours, not 100; and SageMaker bills ml.p3.2xlarge at "
            f"${p3}, $3.06 is EC2's price",
        ),
        Claim(
            about="processing, proof of concept",
            stated=9.60,
            computed=cpu,
            unit="$ a month",
            why=f"4 runs of 5 minutes are {RUNS * PROCESSING_HOURS:.2f} hours, not 20",
        ),
        Claim(
            about="Spot, saved a month",
            stated=214.0,
            computed=gpu * SPOT,
            unit="$ a month",
            why="70 % of $306, which was not spent; 70 % is an assumption, AWS promises at most 90 %",
        ),
        Claim(
            about="NAT gateways in two zones",
            stated=32.0,
            computed=2 * HOURS_A_MONTH * (prices.usd("nat-hour") + prices.usd("public-address-hour")),
            unit="$ a month",
            why="$32 is one gateway (its Terraform makes one for both zones); each public address is billed too",
        ),
        Claim(
            about="HealthImaging storage, 10 GB",
            stated=0.40,
            computed=10 * htj2k_fraction * hot,
            unit="$ a month",
            why=f"$40 a TB is no price of HealthImaging: ${hot} a GB, or ${cold} after 30 days without access",
        ),
        Claim(
            about="proof of concept for $185: training, 10 hours",
            stated=100.0,
            computed=10 * p3,
            unit="$ a month",
            why="its own 10 hours at SageMaker's price",
        ),
        Claim(
            about="proof of concept for $185: 1 TB in HealthImaging",
            stated=40.0,
            computed=1_000 * htj2k_fraction * hot,
            unit="$ a month",
            why="no price of AWS, and yet near what the real ratio and price give in the first month; "
            f"${1_000 * htj2k_fraction * cold:.2f} once nobody has opened it for 30 days",
        ),
        Claim(
            about="proof of concept for $185: 100 GB in S3",
            stated=20.0,
            computed=100 * s3,
            unit="$ a month",
            why="off by a digit",
        ),
        Claim(
            about="HealthImaging against S3, a stored GB",
            stated=0.1,
            computed=hot / s3,
            unit="times S3",
            why=f"$0.0023 is no price, and a tenth is not 100 times cheaper: ${hot} against ${s3}; "
            f"archived {cold / s3:.2f} times",
        ),
        Claim(
            about="HTJ2K, storage saved",
            stated=40.0,
            computed=100 * (1 - htj2k_fraction),
            unit="% of the bytes",
            why="measured on the real chest CT by `python -m bench.storage`; the reference names no measurement",
        ),
        Claim(
            about="HTJ2K in HealthImaging against plain files in S3, hot",
            stated=-40.0,
            computed=100 * (htj2k_fraction * hot / s3 - 1),
            unit="% of the money",
            why="fewer bytes at a higher price: dearer in the first month",
        ),
        Claim(
            about="the same after 30 days without access",
            stated=-40.0,
            computed=100 * (htj2k_fraction * cold / s3 - 1),
            unit="% of the money",
            why="archived it is far cheaper than claimed, and still opens in milliseconds",
        ),
        Claim(
            about="Lambda, 100 calls of 300 s with 512 MB",
            stated=1.50,
            computed=100 * 300 * 0.5 * prices.usd("lambda-gb-second"),
            unit="$ a month",
            why="15,000 GB-seconds",
        ),
        Claim(
            about="DynamoDB, 1,000 writes and 5,000 reads",
            stated=2.0,
            computed=1_000 * prices.usd("ddb-write") + 5_000 * prices.usd("ddb-read"),
            unit="$ a month",
            why="on demand this is a fifth of a cent",
        ),
        Claim(
            about="one-year commitment on SageMaker, saved a year",
            stated=2_600.0,
            computed=0.35 * 321 * 12,
            unit="$ a year",
            why="35 % of $321 a month; the $217 a month beside it would save $1,248; neither fits the other",
        ),
        Claim(
            about="production, sum of its own lines",
            stated=PRODUCTION_TOTAL,
            computed=float(sum(PRODUCTION_PARTS)),
            unit="$ a month",
            why="the only sum that is right",
        ),
        Claim(
            about="production, SageMaker",
            stated=PRODUCTION_SAGEMAKER,
            computed=runs + endpoint,
            unit="$ a month",
            why=f"16 such runs on Spot cost ${runs:.2f}; nearly all is the endpoint (one ml.m5.xlarge all month), "
            "which the reference lists without a size",
        ),
        Claim(
            about="production, a scan without SageMaker",
            stated=4.54,
            computed=(PRODUCTION_TOTAL - PRODUCTION_SAGEMAKER) / PRODUCTION_SCANS,
            unit="$ a scan",
            why="its own subtraction gives this",
        ),
        Claim(
            about="the two interface endpoints of its Terraform, in two zones",
            stated=0.0,
            computed=2 * 2 * HOURS_A_MONTH * prices.usd("endpoint-hour"),
            unit="$ a month",
            why="called minimal and left out",
        ),
    ]

"""The README says what is published, and names commands that exist."""

import json
import re

from geonb.book import results
from geonb.book.page_dependencies import DEFAULT
from geonb.files import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SENTENCES = " ".join(README.split())


def test_the_errors_in_the_readme_are_those_of_the_published_headline():
    published = json.loads((results.published_folder(DEFAULT) / "headline.json").read_text(encoding="utf-8"))
    for method in ("city_centre", "frozen_nearest", "clip", "sw_clip", "permuted_within_city", "ceiling_learnable"):
        rows = [published[f"within_city_error_m.{split}.1000.{method}"] for split in ("other_drive", "blocked")]
        found = [f"{row['value']:.0f} m ({row['low']:.0f} to {row['high']:.0f})" for row in rows]
        assert f"(`{method}`) | {' | '.join(found)} |" in README
    for split in ("other_drive", "blocked"):
        assert (
            f"{published[f'share_right_city.{split}.1000.clip']['value']:.0%} of the photos in `{split}`" in SENTENCES
        )


def test_what_the_readme_says_of_spatial_targets_is_so_in_the_published_table():
    table = results.read_beside("data/results/simulated_cities", "07_compare", "endpoint_ratios")
    rows = table[table.endpoint == "within_city_error_m"].set_index(["split", "other"])
    for split in ("other_drive", "blocked"):
        for other in ("clip", "permuted_within_city"):
            row = rows.loc[split, other]
            assert (
                f"{row.value:.2f} times ({row.low:.2f} to {row.high:.2f}) the error of `{other}` in `{split}`, "
                f"adjusted p {row.p_holm:.2f}, where {row.detectable:.2f} would have been found"
            ) in SENTENCES


def test_what_the_readme_says_of_a_released_model_is_so_in_the_published_tables():
    page = "data/results/released_models", "21_released_encoder"
    cities, fairness = (results.read_beside(*page, name) for name in ("cities", "fairness"))
    apart = cities.set_index("city").apart_m / 1000
    africa = fairness[fairness.group == "Africa"].iloc[0]
    assert (
        f"tells two places apart from {apart.median():.1f} km on in the median of {len(cities):,} cities: from "
        f"{apart['London'].iloc[0]:.1f} km in London and {apart['New York City']:.1f} km in New York, from "
        f"{apart['Nairobi']:.1f} km in Nairobi."
    ) in SENTENCES
    assert f"In Africa the distance is {africa.ratio:.2f} times ({africa.low:.2f} to {africa.high:.2f})" in SENTENCES


def test_what_the_readme_says_of_new_york_is_so_in_the_published_tables():
    page = "data/results/old_new_york", "20_old_new_york"
    rows, pairs = (results.read_beside(*page, name) for name in ("rows", "pairs"))
    own = rows[(rows.split == "by_place") & (rows.metric == "geometric_mean_error_m")].set_index("row").value / 1000
    for row in ("sw_clip", "clip", "mode"):
        assert f"{own[row]:.1f} km (`{row}`)" in SENTENCES
    pair = pairs[pairs.split == "by_place"].set_index(["row", "other"])
    ratio = pair.loc[("sw_clip", "clip")]
    assert f"{ratio.ratio:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" in SENTENCES
    assert f"With the same weights permuted it is {own['permuted']:.1f} km." in SENTENCES
    assert f"a smoothed posterior reaches {own['frozen_smoothed']:.1f} km without any training" in SENTENCES
    assert pair.p_holm[("sw_clip", "mode")] > 0.05  # not shown to be worse
    assert f"{rows.n.max():,} old photos of New York's streets" in SENTENCES


def test_every_make_command_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", README)) <= targets


def test_every_file_that_the_readme_links_to_exists():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []

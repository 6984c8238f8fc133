"""The verb `recipes`: which training methods there are."""

from gradatim.cli.output import Json, emit
from gradatim.recipes.registry import list_recipes


def recipes(as_json: Json = False) -> None:
    """List the training recipes: their slots, papers and what differs.

    Example: gradatim recipes --json
    """
    found = list_recipes()
    lines = []
    for recipe in found:
        lines += [f"{recipe['name']}: {recipe['doc']}", f"  {recipe['paper']}"]
        for slot, use in recipe["slots"].items():
            options = ", ".join(f"{k}={v}" for k, v in use["options"].items())
            lines.append(f"  {slot:<10} {use['name']}" + (f" ({options})" if options else ""))
        lines.append("")
    emit(found, as_json=as_json, text="\n".join(lines).rstrip())

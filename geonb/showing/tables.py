"""Tables of a page, split by split."""


def show_each_split(table, words="", digits=3):
    """Show a table with the level split in its index as one table per split, whose name and words head its rows."""
    from IPython.display import display

    for split in table.index.unique("split"):
        display(table.loc[split].round(digits).rename_axis(f"{split}{words}"))

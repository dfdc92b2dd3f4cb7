"""Import all files of a folder at once, and report."""

from pathlib import Path

from tasks import app, import_file, make_table, revenue

DATA = Path(__file__).parent / "data"


def main() -> None:
    app.migrate()
    with app, app.runner.in_background():
        make_table().result
        paths = sorted(DATA.glob("*.csv"))
        files = import_file.parallelize([(str(path),) for path in paths])
        for done in files.results:  # in the order of the calls; as_completed() has them as they end
            print(f"{done.branch}: {done.loaded} rows loaded")
            for reason in done.rejected:
                print(f"  rejected, {reason}")
        for article, amount in revenue().result.items():
            print(f"{article:>8} {amount:>8} EUR")


if __name__ == "__main__":
    main()

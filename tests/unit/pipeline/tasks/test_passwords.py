from regraft_pipeline.tasks.passwords import TASK, bootstrap, generate


def test_the_bootstrap_dataset_is_half_and_half() -> None:
    frame = bootstrap()
    assert frame["Times"].value_counts().to_dict() == {0.0: 500, 1.0: 500}
    assert frame["Password"].is_unique
    assert frame["Password"].str.fullmatch("[a-z]{4,10}").all()


def test_shares_are_kept_exactly_and_seeds_have_alphabets_of_their_own() -> None:
    assert generate(1, 1000, (0.8, 0.2))["Times"].sum() == 200
    letters = [set("".join(frame.loc[frame["Times"] == 0, "Password"])) for frame in (generate(1), generate(2))]
    assert [len(found) for found in letters] == [18, 18]
    assert letters[0] != letters[1]


def test_few_passwords_have_no_telling_letter() -> None:
    frame = generate(3, 2000)
    own = [set("".join(frame.loc[frame["Times"] == level, "Password"])) for level in (0.0, 1.0)]
    silent = frame["Password"].map(lambda word: set(word) <= own[0] & own[1])
    assert 0.01 < silent.mean() < 0.06


def test_the_estimator_finds_the_levels() -> None:
    frame = bootstrap()
    estimator = TASK.estimator().fit(TASK.columns_of(frame), TASK.target_of(frame))
    assert (estimator.predict(TASK.columns_of(frame)) == frame["Times"]).mean() > 0.98

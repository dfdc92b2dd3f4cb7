-- Calls a task: for psql, triggers and other languages. arguments: a JSON object, by the names of the
-- task's parameters, read as plain JSON. What is left out is as the task has it; app may be left out
-- where one app has a task of that name. The first call with a key counts, and later ones become that one.
-- Answers the invocation's id; it exists when the transaction commits, and runners are told then.
-- Moves: (new) -> registered. Locks: the key, then those of register_2.
-- Raises: PN008 isolation, PN020 no such task, PN021 arguments that do not fit, PN022 an option that
-- cannot be, PN023 a concurrency key that Python alone can make; PN013, PN015 as register_2.
create or replace function {schema}.enqueue(
    task text, arguments json default '{}', app text default null, queue text default null,
    priority double precision default null, delay interval default null,
    at timestamptz default null, expires interval default null,
    max_retries integer default null, timeout interval default null,
    key text default null
) returns uuid language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    -- A column of the caller's may have another collation, which all that is called here would have, too:
    -- our indexes would not fit.
    v_name  constant text collate "default" := task;
    v_app   constant text collate "default" := app;
    v_queue constant text collate "default" := queue;
    v_key   constant text collate "default" := key;
    v_task  {schema}.task;
    v_wrong constant text := case
        when priority not between -100 and 100 then 'priority must be from -100 to 100'
        when delay < interval '0' then 'delay must not be negative'
        when delay > interval '0' and at is not null
            then 'delay and at both say when it may be begun: leave one of them out'
        when expires <= interval '0' then 'expires must be longer than nothing'
        when timeout <= interval '0' then 'timeout must be longer than nothing'
        when max_retries < 0 then 'max_retries must not be negative'
        when queue !~ '^[A-Za-z0-9_.-]+$' then 'queue must be of letters, digits, _, . and -'
        when length(key) not between 1 and 255 then 'key must be of 1 to 255 characters' end;
begin
    perform check_isolation();
    if v_wrong is not null then
        raise exception '%', v_wrong
            using errcode = 'PN022', hint = 'See enqueue in docs/reference/sql.md.';
    end if;
    v_task := find_task(v_app, v_name);
    if json_typeof(arguments) is distinct from 'object' then
        raise exception 'the arguments of % must be a JSON object, not %', task,
                coalesce(json_typeof(arguments), 'null')
            using errcode = 'PN021', hint = 'Give them by name: {"x": 1}.';
    end if;
    begin
        perform check_containers(v_task, arguments);
        perform check_call(v_task, arguments);
    exception when untranslatable_character or invalid_text_representation then
        raise exception 'the arguments of % have what PostgreSQL cannot read: %', task, sqlerrm
            using errcode = 'PN021', hint = 'Text with NUL or half a surrogate pair: call the task from Python.';
    end;
    return enqueue_known(
        v_task, plain_wire(arguments), v_queue, priority, delay, at, expires,
        json_strip_nulls(json_build_object(
            'max_retries', max_retries, 'timeout', extract(epoch from timeout)::double precision,
            'delayed', case when delay > interval '0' or at is not null then true end)),
        null, v_key);
end $$;

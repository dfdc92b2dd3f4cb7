-- The concurrency keys of a call, the same that CallKeys of pynenc_pg/engine/keys.py makes: calls from SQL and
-- from Python become one, and wait for each other's slots. call_id is null where it is a hash of the text.
-- Internal to enqueue_known. Raises: PN023 only Python can tell which calls are equal.
create or replace function {schema}.call_keys(
    p_task {schema}.task, p_arguments json, out registration text, out running text, out call_id text
) language plpgsql stable as $$
declare
    v_conf   constant json := p_task.options;
    v_counts constant json := v_conf->'counts';
    v_plain  constant boolean := (v_conf->>'plain')::boolean;
    v_known  boolean := v_plain and getdatabaseencoding() = 'UTF8';
begin
    registration := v_conf->>'registration_key';  -- where no arguments count
    running := v_conf->>'lane_key';
    if v_conf->>'counts' is null then
        return;
    end if;
    if v_known then
        begin
            if v_counts->>'registration' is not null then
                registration := call_digest(
                    array['registration', p_task.task_id, v_conf->>'registration_concurrency'],
                    p_task.parameters, p_arguments, v_counts->'registration');
                v_known := registration is not null;
            end if;
            if v_known and v_counts->>'running' is not null then
                running := call_digest(
                    array['running', p_task.task_id, v_conf->>'running_concurrency'],
                    p_task.parameters, p_arguments, v_counts->'running');
                v_known := running is not null;
            end if;
            if v_known and v_counts->>'call' is not null then
                call_id := call_digest(
                    array[p_task.task_id], p_task.parameters, p_arguments, v_counts->'call');
                v_known := call_id is not null;
            end if;
        exception when numeric_value_out_of_range or invalid_text_representation
                       or untranslatable_character then
            v_known := false;  -- what Python can hold and PostgreSQL cannot
        end;
    end if;
    if not v_known then
        raise exception 'a concurrency key of this call of % can be made in Python alone', p_task.task_id
            using errcode = 'PN023', hint = case when v_plain
                then 'What counts must be plain JSON of at most 16,384 characters, without NUL, in a database in UTF8; so must the default of what is left out.'
                else 'Its serializer decides which values are equal: enqueue a task of your own, without concurrency options, that calls it.' end;
    end if;
end $$;

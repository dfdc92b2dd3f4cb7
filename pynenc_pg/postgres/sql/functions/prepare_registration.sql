-- What must hold before calls can be written: ids of about now, their partitions, their queue.
-- Internal. Raises PN009.
create or replace function {schema}.prepare_registration(
    p_app text, p_queue text, p_ids uuid[], p_now timestamptz
) returns void language plpgsql as $$
declare
    v_id   uuid;
    v_low  uuid := first_id(p_now - interval '1 day');
    v_high uuid := first_id(p_now + interval '1 day');
begin
    select id into v_id from unnest(p_ids) id where id < v_low or id >= v_high limit 1;
    if found then
        raise exception 'the id % was made at %, but the database''s time is %: % apart',
                v_id, id_time(v_id), p_now, p_now - id_time(v_id)
            using errcode = 'PN009', hint = 'Set the clock of the machine that made the id.';
    end if;
    if to_regclass(partition_name('invocation_history', p_now)) is null
       or to_regclass(partition_name('invocation', date_trunc('week', p_now + interval '1 day', 'UTC'))) is null
    then
        perform ensure_partitions();
    end if;
    if not exists (select from queue where app_id = p_app and queue = p_queue) then
        if not exists (select from new_queue where app_id = p_app and queue = p_queue) then
            insert into new_queue (app_id, queue) values (p_app, p_queue);
        end if;
    end if;
end $$;

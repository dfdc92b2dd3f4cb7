-- Of the queues asked for, in order, those that are not paused. None asked for means all of the app,
-- by name; * all that are not named beside it. Internal.
create or replace function {schema}.open_queues(p_app text, p_queues text[]) returns text[]
language plpgsql as $$
begin
    if p_queues = '{}' then
        return array(select q.queue from queue q where q.app_id = p_app and not q.paused order by q.queue);
    end if;
    if '*' = any (p_queues) then
        return array(select q.queue from queue q
                     where q.app_id = p_app and not q.paused
                     order by coalesce(array_position(p_queues, q.queue), array_position(p_queues, '*')),
                              q.queue);
    end if;
    return array(select q.queue from queue q
                 where q.app_id = p_app and q.queue = any (p_queues) and not q.paused
                 order by array_position(p_queues, q.queue));
end $$;

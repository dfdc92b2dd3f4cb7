-- Tells runners of the app that there is work for p_count of them (of one queue, or null). Where more of
-- them sleep than that, so many of those are named and one more, by chance; the others look within a
-- second. Each that looks costs a claim, and there may be hundreds. Internal.
create or replace function {schema}.rouse(p_app text, p_queue text, p_count integer) returns void
language plpgsql as $$
declare
    v_most   constant integer := greatest(p_count, 1) + 1;
    v_asleep integer;
    v_named  text[];
begin
    select count(*), (array_agg(r.runner_id order by not r.idle, random()))[1:v_most]
    into v_asleep, v_named
    from runner r
    where r.app_id = p_app and (r.idle or r.idle_at > clock_timestamp() - interval '1 second')
      and (p_queue is null or r.queues = '{}' or p_queue = any (r.queues));
    perform notify(p_app, 'work', case when v_asleep > v_most then to_json(v_named) end);
end $$;

drop table {schema}.trigger_run;
drop table {schema}.trigger_cause;
drop table {schema}.event;
drop table {schema}.schedule;
drop table {schema}.trigger_watch;
drop table {schema}.trigger_definition;

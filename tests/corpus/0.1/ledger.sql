BEGIN TRANSACTION;
CREATE TABLE artifacts (
    job TEXT NOT NULL REFERENCES jobs(id), idx INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY (job, idx));
INSERT INTO "artifacts" VALUES('529aa4429881',0,'{"index": 0, "path": "@HOME@/outputs/2026-11-24/105418-a-red-apple-3.png", "media_type": "image/png", "seed": 3, "width": 64, "height": 64, "notes": []}');
INSERT INTO "artifacts" VALUES('cef17c5cb9fb',0,'{"index": 0, "path": "@HOME@/outputs/2026-11-24/105458-a-fox-in-snow-quietly-second-line-7.png", "media_type": "image/png", "seed": 7, "width": 64, "height": 64, "notes": []}');
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, created REAL NOT NULL, owner TEXT NOT NULL, request TEXT NOT NULL, out TEXT,
    state TEXT NOT NULL, state_data TEXT NOT NULL, position INTEGER NOT NULL);
INSERT INTO "jobs" VALUES('529aa4429881',1.79551765823227739331e+09,'e41c8c928dfb4f5c8619e60341b2ab47','{"task":"text-to-image","model":"starter","prompt":"a red apple","negative_prompt":"blurry","width":64,"height":64,"steps":4,"guidance":3.5,"sampler":"DPM++ 2M","scheduler":"Simple","seed":3,"count":1,"strength":0.75,"clip_skip":1,"emphasis":"Original","init_image":null,"mask":null,"frames":1,"fps":16,"motion":127,"last_image":null,"init_video":null,"video_format":"webm"}',NULL,'succeeded','{"seconds": {"encode": 0.13820396700020865, "denoise": 11.694781860000148, "decode": 0.5921588369997153, "save": 0.0951403570002185}, "peak_memory": 544825344}',1);
INSERT INTO "jobs" VALUES('cef17c5cb9fb',1.79551769828862690927e+09,'e41c8c928dfb4f5c8619e60341b2ab47','{"task":"text-to-image","model":"starter","prompt":"a \"fox\", in snow: quietly\nsecond line","negative_prompt":"blurry","width":64,"height":64,"steps":4,"guidance":3.5,"sampler":"DPM++ 2M","scheduler":"Simple","seed":7,"count":1,"strength":0.75,"clip_skip":1,"emphasis":"Original","init_image":null,"mask":null,"frames":1,"fps":16,"motion":127,"last_image":null,"init_video":null,"video_format":"webm"}',NULL,'succeeded','{"seconds": {"encode": 1.2005769689999397, "denoise": 5.870256619999964, "decode": 0.2901945210001031, "save": 0.05902323999998771}, "peak_memory": 545263616}',2);
CREATE INDEX jobs_by_state ON jobs(state, position);
COMMIT;
PRAGMA user_version = 1;

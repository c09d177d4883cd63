PRAGMA application_id = 1330467633;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'oms','0001_events_and_read_model','2025-11-03 14:30:00.000000+00:00');
CREATE TABLE client_order_ids (
  session_id TEXT NOT NULL,
  cl_ord_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  payload_hash TEXT NOT NULL,
  PRIMARY KEY (session_id, cl_ord_id)
) WITHOUT ROWID;
INSERT INTO "client_order_ids" VALUES('old-desk','c-full','full','5e2137a0e720890eac286c3b2acb0ab30a930ba2e4afcaffb7ad47df37c2e653');
INSERT INTO "client_order_ids" VALUES('old-desk','c-gone','gone','794f6a3eda5247acb6c351221c36a418dbb60fe733b316d598e44a76da8858cb');
INSERT INTO "client_order_ids" VALUES('old-desk','c-kept','kept','e8c801364444c4b2696a6723a893dc2761769b72d27cdd0bc3573e25a6c67d76');
INSERT INTO "client_order_ids" VALUES('old-desk','c-late','late','46769977c899684cc4bacdbbe7ded0e342ba8c9f9a9e83ca5f374a4a7b051f66');
INSERT INTO "client_order_ids" VALUES('old-desk','c-pegged','pegged','06954392222e0523721537e8251811fd2b8871f5ab8771c622414ac4bdba5c95');
INSERT INTO "client_order_ids" VALUES('old-desk','c-raced','raced','a9e893369cbf597968c6598c8d426c5999ca1e85a75baf4948525c5a9447d051');
INSERT INTO "client_order_ids" VALUES('old-desk','c-refused','refused','6e9b2c9824d706db4c8fddf0b0c046c97afbae95f4403f01f6cfdb64c51e9786');
INSERT INTO "client_order_ids" VALUES('old-desk','c-reopened','reopened','4e5a705bd0f24396a6dea55d39ccefc7144d8e4867459c5d9d3a77cf37017e80');
INSERT INTO "client_order_ids" VALUES('old-desk','c-sent','sent','0dcd505f4ce88ecc13bd0ff867e201536db5d88d045ddbea95c81b2ba6d8190e');
INSERT INTO "client_order_ids" VALUES('old-desk','c-waiting','waiting','ad27d90d044169c1d65a1c82bd25fe6c139f6b344604eddcd6c4143e0847f065');
INSERT INTO "client_order_ids" VALUES('old-desk','c-working','working','12efdf5f9d0f89626f1c9c0b1372082d6d8d992ebb6b6993c78a55efc8a8333e');
INSERT INTO "client_order_ids" VALUES('old-desk','c-working-2','working','');
INSERT INTO "client_order_ids" VALUES('other','x-1','gone','');
CREATE TABLE commands (
  command_id TEXT PRIMARY KEY,
  payload_hash TEXT NOT NULL,
  stream_id TEXT NOT NULL,
  first_position INTEGER NOT NULL,
  last_position INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "commands" VALUES('CMD-1','58a20a89333a5af14c7098c5185d4a3284cedb4b886ba059a77258fd60df5043','order-full',6,6);
INSERT INTO "commands" VALUES('CMD-10','8ba29f6d8e9194c6bfc6ff2673b1f8e38a9104d2eee92fb241cafdcbca4f8699','order-working',17,17);
INSERT INTO "commands" VALUES('CMD-11','2d16bb75899f1a00c73962a7f2848dd51f673b4f3cf5989dc60eca881faa2ed9','order-working',18,18);
INSERT INTO "commands" VALUES('CMD-12','92ad1c5f8814c6418fc8b70f69ce700d72cc58228966ffa1c33c10d656234112','order-gone',21,21);
INSERT INTO "commands" VALUES('CMD-13','79bc9cb6c5e3bfede362e807efc8e71df8ed78a0c9182eb5218bee8597769b66','order-gone',22,22);
INSERT INTO "commands" VALUES('CMD-14','2fef7148a80289e4beeb5e5f357411800d73af8dc23ba3b511cb8d365425a40d','order-gone',23,23);
INSERT INTO "commands" VALUES('CMD-15','55919ad1df7dd9a8583d021d1b01b105ff13410ed020c28c2fbb984081786bf3','order-gone',24,24);
INSERT INTO "commands" VALUES('CMD-16','53a9bf91acbb5c00d53f1bdd1de46f24aaaee0a6e718b15800d557c2bf21cb0f','order-kept',27,27);
INSERT INTO "commands" VALUES('CMD-17','10d73a9520ca5bb17e8c01ee0e4a70cf9fdd846c6bb4fb83f72e9f8502d17f06','order-kept',28,28);
INSERT INTO "commands" VALUES('CMD-18','40bdf638e91e31de491c3e38bce76b1e05c387618b8e64dace6d02e2355df78e','order-kept',29,29);
INSERT INTO "commands" VALUES('CMD-19','d5284c17a6a6d96cf0226d0326bb10f8e9a6f5477413444dd576b6c77bd47013','order-refused',32,32);
INSERT INTO "commands" VALUES('CMD-2','6ff89a7b0c255734ec60ca43cf356223adb18562907a8e0e98ac3bf21b6eb932','order-full',7,7);
INSERT INTO "commands" VALUES('CMD-20','3cb7006eb0e6aa8297838bdb51378e39e735190a9c6622a2a62ef47b8c47111c','order-late',35,35);
INSERT INTO "commands" VALUES('CMD-21','c7295f0a496dd8bdb0e9435238b4088ed7b36b402936586e1a9fa029d1c61b45','order-late',36,36);
INSERT INTO "commands" VALUES('CMD-22','4de75d5e61690862513b3f0bd6f44b1d9308065a3beee7f96d9135700704e436','order-pegged',39,39);
INSERT INTO "commands" VALUES('CMD-23','90fb9babfa8875198fc7b9cb7ad88b28fd0fb9a4433623ecef885a2ebcb47b71','order-pegged',40,41);
INSERT INTO "commands" VALUES('CMD-24','23b2b42d20899cdfcb927d880babaaea3bb330249832e023b4872b5e89fd3abb','order-pegged',42,42);
INSERT INTO "commands" VALUES('CMD-25','f4a1c87b92897a5dc6b0df35a73c9ec774fa8227c0fc0e39ca915acbb16d0ac0','order-reopened',45,45);
INSERT INTO "commands" VALUES('CMD-26','ca58c647e1e86d5b38cad1d790b99d2faaf8e8e50dd4712f7e0298374a493c33','order-reopened',46,47);
INSERT INTO "commands" VALUES('CMD-27','3577999759cf16b4158cb67ee62420df5425cc3f8eac6084c5f6bca8fa5b1e13','order-reopened',48,49);
INSERT INTO "commands" VALUES('CMD-28','1d5f610e956e92ff08229d66f0c520e48fc27362816842c93bc6958d712bdb8b','order-raced',52,52);
INSERT INTO "commands" VALUES('CMD-29','653635d7b91f1ea58b496c1517a494fac4c899fc8e1e6fa3f06c65dac763f64c','order-raced',53,53);
INSERT INTO "commands" VALUES('CMD-3','1679dca9d786cae209ced9c44dfb0658db0d3a12ebe0c6ad271a60ecbee3c17f','order-full',8,9);
INSERT INTO "commands" VALUES('CMD-30','1bd49d54b120369e32bab523dc5aa84517b5042f9719dd0f6d472ad2a03b172e','order-raced',54,56);
INSERT INTO "commands" VALUES('CMD-4','ebd8da253476629f997503c3ef15aa4d2dfe19bc834f68755187b181126f965b','order-working',11,11);
INSERT INTO "commands" VALUES('CMD-5','d4e27c870569d7a7726d4a20278e208513bfc9d4f02a351f636dde59ef3604ee','order-working',12,12);
INSERT INTO "commands" VALUES('CMD-6','5c01f4e2ff7f3082aafc41efe08efc68958708f368a967e15543640b7bd2d293','order-working',13,13);
INSERT INTO "commands" VALUES('CMD-7','eb47839aab9c62d728ccb90b5e026c31875daab841fa164718349dcead21db87','order-working',14,14);
INSERT INTO "commands" VALUES('CMD-8','0dc495addecf6eb6c066eac923bafb9d5bbaf1553e3873b22400785768dffaa6','order-working',15,15);
INSERT INTO "commands" VALUES('CMD-9','2ab669c393adc2102ba4a909f8634d02b4be025825333535d1247a32f754085f','order-working',16,16);
INSERT INTO "commands" VALUES('create-full','355f0807fa01243263ac6dad6f76a91afd1eef835810fb29990d2ea01ea46da7','order-full',4,5);
INSERT INTO "commands" VALUES('create-gone','056edeb78780bb3960bbecfe34bdfeb790c6da4e170e68f5e6ab5271efb203ed','order-gone',19,20);
INSERT INTO "commands" VALUES('create-kept','4d3202616d12434bc4f2f6d4cee1e9aa6f309f398ce238c121c9d38dd5f12bfb','order-kept',25,26);
INSERT INTO "commands" VALUES('create-late','884c44ae8f3ad2fb6eae1b1ed86ae83701479ae414c5a26161f7043819a43486','order-late',33,34);
INSERT INTO "commands" VALUES('create-pegged','9bec31807e9bda1ed2c6e77aac9277e0da3d207b558ea8232bafabe306c8521d','order-pegged',37,38);
INSERT INTO "commands" VALUES('create-raced','ba4cd2fed12ae392b348175a974d3e81295e5b22e7f8313771265fe028321270','order-raced',50,51);
INSERT INTO "commands" VALUES('create-refused','7788785958b6c9548cbe637ea9443ba6b20cea93cb53d6018c33b4cdc230557c','order-refused',30,31);
INSERT INTO "commands" VALUES('create-reopened','c82b80e5a52cd9f71ca5125e1d724434acfa3558ad61ed8d78d6237cd4ea0798','order-reopened',43,44);
INSERT INTO "commands" VALUES('create-sent','c163dbce01b85dc400c2611cd8fd50ec40e500575a2aa5867241a869708dcfc3','order-sent',2,3);
INSERT INTO "commands" VALUES('create-waiting','9f12bcb90fad24c97ed1ff15c37040995f1c0138b7cc19b9e899d267290bca8c','order-waiting',1,1);
INSERT INTO "commands" VALUES('create-working','b6a140bcb9b7adc0d19daa2c482cbf508994711a04e7b6cd2277a8ad5e4e121c','order-working',10,10);
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  stream_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  type TEXT NOT NULL,
  schema_version INTEGER NOT NULL,
  payload TEXT NOT NULL,
  command_id TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  causation_id TEXT NOT NULL,
  actor TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  UNIQUE (stream_id, version)
);
INSERT INTO "events" VALUES(1,'order-waiting',1,'OrderCreated',1,'{"orderId":"waiting","sessionId":"old-desk","clOrdId":"c-waiting","rootOrderId":"waiting","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"LIMIT","orderQty":"1000","timeInForce":"DAY","handlInst":"MANUAL","assetClass":"EQUITY","text":"quoted ''text'' with ü and\nline break","price":"100.25","sendingTime":"2025-11-03T14:30:00.250000Z"}','create-waiting','create-waiting','create-waiting','old-desk','2025-11-03T14:30:00.250000Z');
INSERT INTO "events" VALUES(2,'order-sent',1,'OrderCreated',1,'{"orderId":"sent","sessionId":"old-desk","clOrdId":"c-sent","rootOrderId":"sent","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"EUR/USD","side":"BUY","ordType":"MARKET","orderQty":"1000","timeInForce":"GOOD_TILL_DATE","handlInst":"AUTO","assetClass":"FX_MONEY_MARKET","expireTime":"2025-12-31T16:00:00.000000Z","sendingTime":"2025-11-03T14:30:00.500000Z"}','create-sent','create-sent','create-sent','old-desk','2025-11-03T14:30:00.500000Z');
INSERT INTO "events" VALUES(3,'order-sent',2,'OrderPlaced',1,'{"routing":"auto"}','create-sent','create-sent','create-sent','old-desk','2025-11-03T14:30:00.500000Z');
INSERT INTO "events" VALUES(4,'order-full',1,'OrderCreated',1,'{"orderId":"full","sessionId":"old-desk","clOrdId":"c-full","rootOrderId":"full","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"LIMIT","orderQty":"1000","timeInForce":"DAY","handlInst":"AUTO","assetClass":"EQUITY","price":"100.25","sendingTime":"2025-11-03T14:30:00.750000Z"}','create-full','create-full','create-full','old-desk','2025-11-03T14:30:00.750000Z');
INSERT INTO "events" VALUES(5,'order-full',2,'OrderPlaced',1,'{"routing":"auto"}','create-full','create-full','create-full','old-desk','2025-11-03T14:30:00.750000Z');
INSERT INTO "events" VALUES(6,'order-full',3,'OrderAccepted',1,'{}','CMD-1','CMD-1','CMD-1','old-desk','2025-11-03T14:30:01.000000Z');
INSERT INTO "events" VALUES(7,'order-full',4,'ExecutionCreated',1,'{"execId":"e1","orderId":"full","lastQty":"400","lastPx":"100","execType":"F","cumQty":"400","leavesQty":"600","avgPx":"100","lastMkt":"XNYS","transactTime":"2025-11-03T14:30:01.250000Z"}','CMD-2','CMD-2','CMD-2','old-desk','2025-11-03T14:30:01.250000Z');
INSERT INTO "events" VALUES(8,'order-full',5,'ExecutionCreated',1,'{"execId":"e2","orderId":"full","lastQty":"600","lastPx":"100.5","execType":"F","cumQty":"1000","leavesQty":"0","avgPx":"100.3","lastMkt":"XNYS","transactTime":"2025-11-03T14:30:01.500000Z"}','CMD-3','CMD-3','CMD-3','old-desk','2025-11-03T14:30:01.500000Z');
INSERT INTO "events" VALUES(9,'order-full',6,'OrderFilled',1,'{"cumQty":"1000","avgPx":"100.3","execId":"e2"}','CMD-3','CMD-3','CMD-3','old-desk','2025-11-03T14:30:01.500000Z');
INSERT INTO "events" VALUES(10,'order-working',1,'OrderCreated',1,'{"orderId":"working","sessionId":"old-desk","clOrdId":"c-working","rootOrderId":"working","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"MARKET","orderQty":"1000","timeInForce":"DAY","handlInst":"MANUAL","assetClass":"EQUITY","settlDate":"2025-11-05","sendingTime":"2025-11-03T14:30:01.750000Z"}','create-working','create-working','create-working','old-desk','2025-11-03T14:30:01.750000Z');
INSERT INTO "events" VALUES(11,'order-working',2,'OrderPlaced',1,'{"exDestination":"XNYS","routing":"manual"}','CMD-4','CMD-4','CMD-4','old-desk','2025-11-03T14:30:02.000000Z');
INSERT INTO "events" VALUES(12,'order-working',3,'OrderAccepted',1,'{}','CMD-5','CMD-5','CMD-5','old-desk','2025-11-03T14:30:02.250000Z');
INSERT INTO "events" VALUES(13,'order-working',4,'ExecutionCreated',1,'{"execId":"e1","orderId":"working","lastQty":"0.12345678","lastPx":"99.5","execType":"F","cumQty":"0.12345678","leavesQty":"999.87654322","avgPx":"99.5","lastMkt":"XNYS","transactTime":"2025-11-03T14:30:02.500000Z"}','CMD-6','CMD-6','CMD-6','old-desk','2025-11-03T14:30:02.500000Z');
INSERT INTO "events" VALUES(14,'order-working',5,'ExecutionCreated',1,'{"execId":"w2","orderId":"working","lastQty":"300","lastPx":"99.75","execType":"F","cumQty":"300.12345678","leavesQty":"699.87654322","avgPx":"99.74989716","lastMkt":"XNYS","transactTime":"2025-11-03T14:30:02.750000Z"}','CMD-7','CMD-7','CMD-7','old-desk','2025-11-03T14:30:02.750000Z');
INSERT INTO "events" VALUES(15,'order-working',6,'ExecutionCreated',1,'{"execId":"w3","orderId":"working","lastQty":"100","lastPx":"99.8","execType":"F","cumQty":"400.12345678","leavesQty":"599.87654322","avgPx":"99.76241901","lastMkt":"XNYS","transactTime":"2025-11-03T14:30:03.000000Z"}','CMD-8','CMD-8','CMD-8','old-desk','2025-11-03T14:30:03.000000Z');
INSERT INTO "events" VALUES(16,'order-working',7,'ExecutionWhacked',1,'{"execId":"w2","quantity":"300","reason":"wrong account","requestedBy":"ann","approvedBy":"bob","approvalLevel":"SENIOR_TRADER"}','CMD-9','CMD-9','CMD-9','old-desk','2025-11-03T14:30:03.250000Z');
INSERT INTO "events" VALUES(17,'order-working',8,'ExecutionBusted',1,'{"execId":"w3","quantity":"100","reason":"broken by the exchange"}','CMD-10','CMD-10','CMD-10','old-desk','2025-11-03T14:30:03.500000Z');
INSERT INTO "events" VALUES(18,'order-working',9,'OrderCancelRequested',1,'{"clOrdId":"c-working-2","sessionId":"old-desk","text":"enough","origin":"CLIENT"}','CMD-11','CMD-11','CMD-11','old-desk','2025-11-03T14:30:03.750000Z');
INSERT INTO "events" VALUES(19,'order-gone',1,'OrderCreated',1,'{"orderId":"gone","sessionId":"old-desk","clOrdId":"c-gone","rootOrderId":"gone","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"LIMIT","orderQty":"1000","timeInForce":"DAY","handlInst":"AUTO","assetClass":"EQUITY","price":"100.25","sendingTime":"2025-11-03T14:30:04.000000Z"}','create-gone','create-gone','create-gone','old-desk','2025-11-03T14:30:04.000000Z');
INSERT INTO "events" VALUES(20,'order-gone',2,'OrderPlaced',1,'{"routing":"auto"}','create-gone','create-gone','create-gone','old-desk','2025-11-03T14:30:04.000000Z');
INSERT INTO "events" VALUES(21,'order-gone',3,'OrderAccepted',1,'{}','CMD-12','CMD-12','CMD-12','old-desk','2025-11-03T14:30:04.250000Z');
INSERT INTO "events" VALUES(22,'order-gone',4,'ExecutionCreated',1,'{"execId":"g1","orderId":"gone","lastQty":"250","lastPx":"100.25","execType":"F","cumQty":"250","leavesQty":"750","avgPx":"100.25","lastMkt":"XNYS","transactTime":"2025-11-03T14:30:04.500000Z"}','CMD-13','CMD-13','CMD-13','old-desk','2025-11-03T14:30:04.500000Z');
INSERT INTO "events" VALUES(23,'order-gone',5,'OrderCancelRequested',1,'{"clOrdId":"x-1","sessionId":"other","origin":"CLIENT"}','CMD-14','CMD-14','CMD-14','other','2025-11-03T14:30:04.750000Z');
INSERT INTO "events" VALUES(24,'order-gone',6,'OrderCancelled',1,'{"cancelledQty":"750","unsolicited":false}','CMD-15','CMD-15','CMD-15','old-desk','2025-11-03T14:30:05.000000Z');
INSERT INTO "events" VALUES(25,'order-kept',1,'OrderCreated',1,'{"orderId":"kept","sessionId":"old-desk","clOrdId":"c-kept","rootOrderId":"kept","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"LIMIT","orderQty":"1000","timeInForce":"DAY","handlInst":"AUTO","assetClass":"EQUITY","price":"100.25","sendingTime":"2025-11-03T14:30:05.250000Z"}','create-kept','create-kept','create-kept','old-desk','2025-11-03T14:30:05.250000Z');
INSERT INTO "events" VALUES(26,'order-kept',2,'OrderPlaced',1,'{"routing":"auto"}','create-kept','create-kept','create-kept','old-desk','2025-11-03T14:30:05.250000Z');
INSERT INTO "events" VALUES(27,'order-kept',3,'OrderAccepted',1,'{}','CMD-16','CMD-16','CMD-16','old-desk','2025-11-03T14:30:05.500000Z');
INSERT INTO "events" VALUES(28,'order-kept',4,'OrderCancelRequested',1,'{"origin":"CLIENT"}','CMD-17','CMD-17','CMD-17','old-desk','2025-11-03T14:30:05.750000Z');
INSERT INTO "events" VALUES(29,'order-kept',5,'OrderCancelRejected',1,'{"cxlRejReason":0}','CMD-18','CMD-18','CMD-18','old-desk','2025-11-03T14:30:06.000000Z');
INSERT INTO "events" VALUES(30,'order-refused',1,'OrderCreated',1,'{"orderId":"refused","sessionId":"old-desk","clOrdId":"c-refused","rootOrderId":"refused","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"LIMIT","orderQty":"1000","timeInForce":"DAY","handlInst":"AUTO","assetClass":"EQUITY","price":"100.25","sendingTime":"2025-11-03T14:30:06.250000Z"}','create-refused','create-refused','create-refused','old-desk','2025-11-03T14:30:06.250000Z');
INSERT INTO "events" VALUES(31,'order-refused',2,'OrderPlaced',1,'{"routing":"auto"}','create-refused','create-refused','create-refused','old-desk','2025-11-03T14:30:06.250000Z');
INSERT INTO "events" VALUES(32,'order-refused',3,'OrderRejected',1,'{"ordRejReason":2,"text":"closed"}','CMD-19','CMD-19','CMD-19','old-desk','2025-11-03T14:30:06.500000Z');
INSERT INTO "events" VALUES(33,'order-late',1,'OrderCreated',1,'{"orderId":"late","sessionId":"old-desk","clOrdId":"c-late","rootOrderId":"late","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"LIMIT","orderQty":"1000","timeInForce":"DAY","handlInst":"AUTO","assetClass":"EQUITY","price":"100.25","sendingTime":"2025-11-03T14:30:06.750000Z"}','create-late','create-late','create-late','old-desk','2025-11-03T14:30:06.750000Z');
INSERT INTO "events" VALUES(34,'order-late',2,'OrderPlaced',1,'{"routing":"auto"}','create-late','create-late','create-late','old-desk','2025-11-03T14:30:06.750000Z');
INSERT INTO "events" VALUES(35,'order-late',3,'OrderAccepted',1,'{}','CMD-20','CMD-20','CMD-20','old-desk','2025-11-03T14:30:07.000000Z');
INSERT INTO "events" VALUES(36,'order-late',4,'OrderExpired',1,'{"tifTimestamp":"2025-11-03T14:30:07.250000Z","expiredQty":"1000"}','CMD-21','CMD-21','CMD-21','old-desk','2025-11-03T14:30:07.250000Z');
INSERT INTO "events" VALUES(37,'order-pegged',1,'OrderCreated',1,'{"orderId":"pegged","sessionId":"old-desk","clOrdId":"c-pegged","rootOrderId":"pegged","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"LIMIT","orderQty":"5","timeInForce":"DAY","handlInst":"AUTO","assetClass":"EQUITY","price":"-0.5","priceType":"SPREAD","sendingTime":"2025-11-03T14:30:07.500000Z"}','create-pegged','create-pegged','create-pegged','old-desk','2025-11-03T14:30:07.500000Z');
INSERT INTO "events" VALUES(38,'order-pegged',2,'OrderPlaced',1,'{"routing":"auto"}','create-pegged','create-pegged','create-pegged','old-desk','2025-11-03T14:30:07.500000Z');
INSERT INTO "events" VALUES(39,'order-pegged',3,'OrderAccepted',1,'{}','CMD-22','CMD-22','CMD-22','old-desk','2025-11-03T14:30:07.750000Z');
INSERT INTO "events" VALUES(40,'order-pegged',4,'ExecutionCreated',1,'{"execId":"e1","orderId":"pegged","lastQty":"5","lastPx":"-0.5","execType":"F","cumQty":"5","leavesQty":"0","avgPx":"-0.5","lastMkt":"XNYS","transactTime":"2025-11-03T14:30:08.000000Z"}','CMD-23','CMD-23','CMD-23','old-desk','2025-11-03T14:30:08.000000Z');
INSERT INTO "events" VALUES(41,'order-pegged',5,'OrderFilled',1,'{"cumQty":"5","avgPx":"-0.5","execId":"e1"}','CMD-23','CMD-23','CMD-23','old-desk','2025-11-03T14:30:08.000000Z');
INSERT INTO "events" VALUES(42,'order-pegged',6,'OrderClosed',1,'{"reason":"settled"}','CMD-24','CMD-24','CMD-24','old-desk','2025-11-03T14:30:08.250000Z');
INSERT INTO "events" VALUES(43,'order-reopened',1,'OrderCreated',1,'{"orderId":"reopened","sessionId":"old-desk","clOrdId":"c-reopened","rootOrderId":"reopened","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"LIMIT","orderQty":"1000","timeInForce":"DAY","handlInst":"AUTO","assetClass":"EQUITY","price":"100.25","sendingTime":"2025-11-03T14:30:08.500000Z"}','create-reopened','create-reopened','create-reopened','old-desk','2025-11-03T14:30:08.500000Z');
INSERT INTO "events" VALUES(44,'order-reopened',2,'OrderPlaced',1,'{"routing":"auto"}','create-reopened','create-reopened','create-reopened','old-desk','2025-11-03T14:30:08.500000Z');
INSERT INTO "events" VALUES(45,'order-reopened',3,'OrderAccepted',1,'{}','CMD-25','CMD-25','CMD-25','old-desk','2025-11-03T14:30:08.750000Z');
INSERT INTO "events" VALUES(46,'order-reopened',4,'ExecutionCreated',1,'{"execId":"r1","orderId":"reopened","lastQty":"1000","lastPx":"10","execType":"F","cumQty":"1000","leavesQty":"0","avgPx":"10","lastMkt":"XNYS","transactTime":"2025-11-03T14:30:09.000000Z"}','CMD-26','CMD-26','CMD-26','old-desk','2025-11-03T14:30:09.000000Z');
INSERT INTO "events" VALUES(47,'order-reopened',5,'OrderFilled',1,'{"cumQty":"1000","avgPx":"10","execId":"r1"}','CMD-26','CMD-26','CMD-26','old-desk','2025-11-03T14:30:09.000000Z');
INSERT INTO "events" VALUES(48,'order-reopened',6,'ExecutionBusted',1,'{"execId":"r1","quantity":"1000"}','CMD-27','CMD-27','CMD-27','old-desk','2025-11-03T14:30:09.250000Z');
INSERT INTO "events" VALUES(49,'order-reopened',7,'OrderReopened',1,'{"reason":"BUST","execId":"r1"}','CMD-27','CMD-27','CMD-27','old-desk','2025-11-03T14:30:09.250000Z');
INSERT INTO "events" VALUES(50,'order-raced',1,'OrderCreated',1,'{"orderId":"raced","sessionId":"old-desk","clOrdId":"c-raced","rootOrderId":"raced","leg":"CLI","role":"CLIENT","account":"ACC","symbol":"IBM","side":"BUY","ordType":"LIMIT","orderQty":"1000","timeInForce":"DAY","handlInst":"AUTO","assetClass":"EQUITY","price":"100.25","sendingTime":"2025-11-03T14:30:09.500000Z"}','create-raced','create-raced','create-raced','old-desk','2025-11-03T14:30:09.500000Z');
INSERT INTO "events" VALUES(51,'order-raced',2,'OrderPlaced',1,'{"routing":"auto"}','create-raced','create-raced','create-raced','old-desk','2025-11-03T14:30:09.500000Z');
INSERT INTO "events" VALUES(52,'order-raced',3,'OrderAccepted',1,'{}','CMD-28','CMD-28','CMD-28','old-desk','2025-11-03T14:30:09.750000Z');
INSERT INTO "events" VALUES(53,'order-raced',4,'OrderCancelRequested',1,'{"origin":"CLIENT"}','CMD-29','CMD-29','CMD-29','old-desk','2025-11-03T14:30:10.000000Z');
INSERT INTO "events" VALUES(54,'order-raced',5,'ExecutionCreated',1,'{"execId":"e1","orderId":"raced","lastQty":"1000","lastPx":"1","execType":"F","cumQty":"1000","leavesQty":"0","avgPx":"1","lastMkt":"XNYS","transactTime":"2025-11-03T14:30:10.250000Z"}','CMD-30','CMD-30','CMD-30','old-desk','2025-11-03T14:30:10.250000Z');
INSERT INTO "events" VALUES(55,'order-raced',6,'OrderFilled',1,'{"cumQty":"1000","avgPx":"1","execId":"e1"}','CMD-30','CMD-30','CMD-30','old-desk','2025-11-03T14:30:10.250000Z');
INSERT INTO "events" VALUES(56,'order-raced',7,'OrderCancelRejected',1,'{"cxlRejReason":0}','CMD-30','CMD-30','CMD-30','old-desk','2025-11-03T14:30:10.250000Z');
CREATE TABLE executions (
  id INTEGER PRIMARY KEY,
  exec_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  last_qty TEXT NOT NULL,
  last_px TEXT NOT NULL,
  exec_type TEXT NOT NULL,
  cum_qty TEXT NOT NULL,
  leaves_qty TEXT NOT NULL,
  avg_px TEXT NOT NULL,
  last_mkt TEXT,
  last_capacity TEXT,
  secondary_exec_id TEXT,
  day_order_qty TEXT,
  day_cum_qty TEXT,
  day_avg_px TEXT,
  transact_time TEXT NOT NULL,
  received_at TEXT NOT NULL,
  status TEXT NOT NULL,
  status_reason TEXT,
  requested_by TEXT,
  approved_by TEXT,
  status_at TEXT,
  UNIQUE (order_id, exec_id)
);
INSERT INTO "executions" VALUES(7,'e1','full','100000000000000040000000000','100000000000000010000000000','F','100000000000000040000000000','100000000000000060000000000','100000000000000010000000000','XNYS',NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:01.250000Z','2025-11-03T14:30:01.250000Z','ACTIVE',NULL,NULL,NULL,NULL);
INSERT INTO "executions" VALUES(8,'e2','full','100000000000000060000000000','100000000000000010050000000','F','100000000000000100000000000','100000000000000000000000000','100000000000000010030000000','XNYS',NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:01.500000Z','2025-11-03T14:30:01.500000Z','ACTIVE',NULL,NULL,NULL,NULL);
INSERT INTO "executions" VALUES(13,'e1','working','100000000000000000012345678','100000000000000009950000000','F','100000000000000000012345678','100000000000000099987654322','100000000000000009950000000','XNYS',NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:02.500000Z','2025-11-03T14:30:02.500000Z','ACTIVE',NULL,NULL,NULL,NULL);
INSERT INTO "executions" VALUES(14,'w2','working','100000000000000030000000000','100000000000000009975000000','F','100000000000000030012345678','100000000000000069987654322','100000000000000009974989716','XNYS',NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:02.750000Z','2025-11-03T14:30:02.750000Z','WHACKED','wrong account','ann','bob','2025-11-03T14:30:03.250000Z');
INSERT INTO "executions" VALUES(15,'w3','working','100000000000000010000000000','100000000000000009980000000','F','100000000000000040012345678','100000000000000059987654322','100000000000000009976241901','XNYS',NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:03.000000Z','2025-11-03T14:30:03.000000Z','BUSTED','broken by the exchange',NULL,NULL,'2025-11-03T14:30:03.500000Z');
INSERT INTO "executions" VALUES(22,'g1','gone','100000000000000025000000000','100000000000000010025000000','F','100000000000000025000000000','100000000000000075000000000','100000000000000010025000000','XNYS',NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:04.500000Z','2025-11-03T14:30:04.500000Z','ACTIVE',NULL,NULL,NULL,NULL);
INSERT INTO "executions" VALUES(40,'e1','pegged','100000000000000000500000000','099999999999999999949999999~','F','100000000000000000500000000','100000000000000000000000000','099999999999999999949999999~','XNYS',NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:08.000000Z','2025-11-03T14:30:08.000000Z','ACTIVE',NULL,NULL,NULL,NULL);
INSERT INTO "executions" VALUES(46,'r1','reopened','100000000000000100000000000','100000000000000001000000000','F','100000000000000100000000000','100000000000000000000000000','100000000000000001000000000','XNYS',NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:09.000000Z','2025-11-03T14:30:09.000000Z','BUSTED',NULL,NULL,NULL,'2025-11-03T14:30:09.250000Z');
INSERT INTO "executions" VALUES(54,'e1','raced','100000000000000100000000000','100000000000000000100000000','F','100000000000000100000000000','100000000000000000000000000','100000000000000000100000000','XNYS',NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:10.250000Z','2025-11-03T14:30:10.250000Z','ACTIVE',NULL,NULL,NULL,NULL);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  order_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  cl_ord_id TEXT NOT NULL,
  root_order_id TEXT NOT NULL,
  leg TEXT NOT NULL,
  role TEXT NOT NULL,
  account TEXT NOT NULL,
  symbol TEXT NOT NULL,
  side TEXT NOT NULL,
  ord_type TEXT NOT NULL,
  order_qty TEXT NOT NULL,
  time_in_force TEXT NOT NULL,
  handl_inst TEXT NOT NULL,
  security_id TEXT,
  security_id_source TEXT,
  security_type TEXT,
  asset_class TEXT,
  security_desc TEXT,
  security_exchange TEXT,
  ex_destination TEXT,
  settl_currency TEXT,
  text TEXT,
  price TEXT,
  stop_px TEXT,
  price_type TEXT,
  expire_time TEXT,
  exec_inst TEXT,
  settl_type TEXT,
  settl_date TEXT,
  maturity_date TEXT,
  locate_id TEXT,
  max_floor TEXT,
  position_effect TEXT,
  put_or_call INTEGER,
  strike_price TEXT,
  maturity_month_year TEXT,
  underlying_security_type TEXT,
  sending_time TEXT,
  version INTEGER NOT NULL,
  state TEXT NOT NULL,
  cancel_state TEXT,
  cum_qty TEXT NOT NULL,
  leaves_qty TEXT NOT NULL,
  avg_px TEXT NOT NULL,
  alloc_qty TEXT NOT NULL,
  transact_time TEXT NOT NULL,
  tif_timestamp TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (order_id)
);
INSERT INTO "orders" VALUES(1,'waiting','old-desk','c-waiting','waiting','CLI','CLIENT','ACC','IBM','BUY','LIMIT','100000000000000100000000000','DAY','MANUAL',NULL,NULL,NULL,'EQUITY',NULL,NULL,NULL,NULL,'quoted ''text'' with ü and
line break','100000000000000010025000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:00.250000Z',1,'NEW',NULL,'100000000000000000000000000','100000000000000100000000000','100000000000000000000000000','100000000000000000000000000','2025-11-03T14:30:00.250000Z',NULL,'2025-11-03T14:30:00.250000Z','2025-11-03T14:30:00.250000Z');
INSERT INTO "orders" VALUES(2,'sent','old-desk','c-sent','sent','CLI','CLIENT','ACC','EUR/USD','BUY','MARKET','100000000000000100000000000','GOOD_TILL_DATE','AUTO',NULL,NULL,NULL,'FX_MONEY_MARKET',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-12-31T16:00:00.000000Z',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:00.500000Z',2,'UNACK',NULL,'100000000000000000000000000','100000000000000100000000000','100000000000000000000000000','100000000000000000000000000','2025-11-03T14:30:00.500000Z',NULL,'2025-11-03T14:30:00.500000Z','2025-11-03T14:30:00.500000Z');
INSERT INTO "orders" VALUES(4,'full','old-desk','c-full','full','CLI','CLIENT','ACC','IBM','BUY','LIMIT','100000000000000100000000000','DAY','AUTO',NULL,NULL,NULL,'EQUITY',NULL,NULL,NULL,NULL,NULL,'100000000000000010025000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:00.750000Z',6,'FILLED',NULL,'100000000000000100000000000','100000000000000000000000000','100000000000000010030000000','100000000000000100000000000','2025-11-03T14:30:01.500000Z',NULL,'2025-11-03T14:30:00.750000Z','2025-11-03T14:30:01.500000Z');
INSERT INTO "orders" VALUES(10,'working','old-desk','c-working','working','CLI','CLIENT','ACC','IBM','BUY','MARKET','100000000000000100000000000','DAY','MANUAL',NULL,NULL,NULL,'EQUITY',NULL,NULL,'XNYS',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-05',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:01.750000Z',9,'LIVE','PCXL','100000000000000000012345678','100000000000000099987654322','100000000000000009950000000','100000000000000000012345678','2025-11-03T14:30:03.750000Z',NULL,'2025-11-03T14:30:01.750000Z','2025-11-03T14:30:03.750000Z');
INSERT INTO "orders" VALUES(19,'gone','old-desk','c-gone','gone','CLI','CLIENT','ACC','IBM','BUY','LIMIT','100000000000000100000000000','DAY','AUTO',NULL,NULL,NULL,'EQUITY',NULL,NULL,NULL,NULL,NULL,'100000000000000010025000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:04.000000Z',6,'CXL','CXL','100000000000000025000000000','100000000000000000000000000','100000000000000010025000000','100000000000000025000000000','2025-11-03T14:30:05.000000Z',NULL,'2025-11-03T14:30:04.000000Z','2025-11-03T14:30:05.000000Z');
INSERT INTO "orders" VALUES(25,'kept','old-desk','c-kept','kept','CLI','CLIENT','ACC','IBM','BUY','LIMIT','100000000000000100000000000','DAY','AUTO',NULL,NULL,NULL,'EQUITY',NULL,NULL,NULL,NULL,NULL,'100000000000000010025000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:05.250000Z',5,'LIVE','REJ','100000000000000000000000000','100000000000000100000000000','100000000000000000000000000','100000000000000000000000000','2025-11-03T14:30:06.000000Z',NULL,'2025-11-03T14:30:05.250000Z','2025-11-03T14:30:06.000000Z');
INSERT INTO "orders" VALUES(30,'refused','old-desk','c-refused','refused','CLI','CLIENT','ACC','IBM','BUY','LIMIT','100000000000000100000000000','DAY','AUTO',NULL,NULL,NULL,'EQUITY',NULL,NULL,NULL,NULL,NULL,'100000000000000010025000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:06.250000Z',3,'REJ',NULL,'100000000000000000000000000','100000000000000000000000000','100000000000000000000000000','100000000000000000000000000','2025-11-03T14:30:06.500000Z',NULL,'2025-11-03T14:30:06.250000Z','2025-11-03T14:30:06.500000Z');
INSERT INTO "orders" VALUES(33,'late','old-desk','c-late','late','CLI','CLIENT','ACC','IBM','BUY','LIMIT','100000000000000100000000000','DAY','AUTO',NULL,NULL,NULL,'EQUITY',NULL,NULL,NULL,NULL,NULL,'100000000000000010025000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:06.750000Z',4,'EXP',NULL,'100000000000000000000000000','100000000000000000000000000','100000000000000000000000000','100000000000000000000000000','2025-11-03T14:30:07.250000Z','2025-11-03T14:30:07.250000Z','2025-11-03T14:30:06.750000Z','2025-11-03T14:30:07.250000Z');
INSERT INTO "orders" VALUES(37,'pegged','old-desk','c-pegged','pegged','CLI','CLIENT','ACC','IBM','BUY','LIMIT','100000000000000000500000000','DAY','AUTO',NULL,NULL,NULL,'EQUITY',NULL,NULL,NULL,NULL,NULL,'099999999999999999949999999~',NULL,'SPREAD',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:07.500000Z',6,'CLOSED',NULL,'100000000000000000500000000','100000000000000000000000000','099999999999999999949999999~','100000000000000000500000000','2025-11-03T14:30:08.250000Z',NULL,'2025-11-03T14:30:07.500000Z','2025-11-03T14:30:08.250000Z');
INSERT INTO "orders" VALUES(43,'reopened','old-desk','c-reopened','reopened','CLI','CLIENT','ACC','IBM','BUY','LIMIT','100000000000000100000000000','DAY','AUTO',NULL,NULL,NULL,'EQUITY',NULL,NULL,NULL,NULL,NULL,'100000000000000010025000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:08.500000Z',7,'LIVE',NULL,'100000000000000000000000000','100000000000000100000000000','100000000000000000000000000','100000000000000000000000000','2025-11-03T14:30:09.250000Z',NULL,'2025-11-03T14:30:08.500000Z','2025-11-03T14:30:09.250000Z');
INSERT INTO "orders" VALUES(50,'raced','old-desk','c-raced','raced','CLI','CLIENT','ACC','IBM','BUY','LIMIT','100000000000000100000000000','DAY','AUTO',NULL,NULL,NULL,'EQUITY',NULL,NULL,NULL,NULL,NULL,'100000000000000010025000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2025-11-03T14:30:09.500000Z',7,'FILLED','REJ','100000000000000100000000000','100000000000000000000000000','100000000000000000100000000','100000000000000100000000000','2025-11-03T14:30:10.250000Z',NULL,'2025-11-03T14:30:09.500000Z','2025-11-03T14:30:10.250000Z');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE INDEX orders_by_symbol ON orders (symbol, id);
CREATE INDEX orders_by_state ON orders (state, id);
CREATE INDEX orders_by_cl_ord_id ON orders (cl_ord_id);
CREATE INDEX executions_by_exec_id ON executions (exec_id);
CREATE VIEW order_view AS SELECT order_id AS "orderId", session_id AS "sessionId", cl_ord_id AS "clOrdId", root_order_id AS "rootOrderId", leg AS "leg", role AS "role", account AS "account", symbol AS "symbol", side AS "side", ord_type AS "ordType", rtrim(rtrim(CASE substr(order_qty, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(order_qty, 2, 18) AS INTEGER), CAST(substr(order_qty, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(order_qty, 2, 18) AS INTEGER), 99999999 - CAST(substr(order_qty, 20, 8) AS INTEGER)) END, '0'), '.') AS "orderQty", time_in_force AS "timeInForce", handl_inst AS "handlInst", security_id AS "securityId", security_id_source AS "securityIdSource", security_type AS "securityType", asset_class AS "assetClass", security_desc AS "securityDesc", security_exchange AS "securityExchange", ex_destination AS "exDestination", settl_currency AS "settlCurrency", text AS "text", rtrim(rtrim(CASE substr(price, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(price, 2, 18) AS INTEGER), CAST(substr(price, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(price, 2, 18) AS INTEGER), 99999999 - CAST(substr(price, 20, 8) AS INTEGER)) END, '0'), '.') AS "price", rtrim(rtrim(CASE substr(stop_px, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(stop_px, 2, 18) AS INTEGER), CAST(substr(stop_px, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(stop_px, 2, 18) AS INTEGER), 99999999 - CAST(substr(stop_px, 20, 8) AS INTEGER)) END, '0'), '.') AS "stopPx", price_type AS "priceType", expire_time AS "expireTime", exec_inst AS "execInst", settl_type AS "settlType", settl_date AS "settlDate", maturity_date AS "maturityDate", locate_id AS "locateId", rtrim(rtrim(CASE substr(max_floor, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(max_floor, 2, 18) AS INTEGER), CAST(substr(max_floor, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(max_floor, 2, 18) AS INTEGER), 99999999 - CAST(substr(max_floor, 20, 8) AS INTEGER)) END, '0'), '.') AS "maxFloor", position_effect AS "positionEffect", put_or_call AS "putOrCall", rtrim(rtrim(CASE substr(strike_price, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(strike_price, 2, 18) AS INTEGER), CAST(substr(strike_price, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(strike_price, 2, 18) AS INTEGER), 99999999 - CAST(substr(strike_price, 20, 8) AS INTEGER)) END, '0'), '.') AS "strikePrice", maturity_month_year AS "maturityMonthYear", underlying_security_type AS "underlyingSecurityType", sending_time AS "sendingTime", id AS "id", version AS "version", state AS "state", cancel_state AS "cancelState", rtrim(rtrim(CASE substr(cum_qty, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(cum_qty, 2, 18) AS INTEGER), CAST(substr(cum_qty, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(cum_qty, 2, 18) AS INTEGER), 99999999 - CAST(substr(cum_qty, 20, 8) AS INTEGER)) END, '0'), '.') AS "cumQty", rtrim(rtrim(CASE substr(leaves_qty, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(leaves_qty, 2, 18) AS INTEGER), CAST(substr(leaves_qty, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(leaves_qty, 2, 18) AS INTEGER), 99999999 - CAST(substr(leaves_qty, 20, 8) AS INTEGER)) END, '0'), '.') AS "leavesQty", rtrim(rtrim(CASE substr(avg_px, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(avg_px, 2, 18) AS INTEGER), CAST(substr(avg_px, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(avg_px, 2, 18) AS INTEGER), 99999999 - CAST(substr(avg_px, 20, 8) AS INTEGER)) END, '0'), '.') AS "avgPx", rtrim(rtrim(CASE substr(alloc_qty, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(alloc_qty, 2, 18) AS INTEGER), CAST(substr(alloc_qty, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(alloc_qty, 2, 18) AS INTEGER), 99999999 - CAST(substr(alloc_qty, 20, 8) AS INTEGER)) END, '0'), '.') AS "allocQty", transact_time AS "transactTime", tif_timestamp AS "tifTimestamp", created_at AS "createdAt", updated_at AS "updatedAt" FROM orders;
CREATE VIEW execution_view AS SELECT exec_id AS "execId", order_id AS "orderId", rtrim(rtrim(CASE substr(last_qty, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(last_qty, 2, 18) AS INTEGER), CAST(substr(last_qty, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(last_qty, 2, 18) AS INTEGER), 99999999 - CAST(substr(last_qty, 20, 8) AS INTEGER)) END, '0'), '.') AS "lastQty", rtrim(rtrim(CASE substr(last_px, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(last_px, 2, 18) AS INTEGER), CAST(substr(last_px, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(last_px, 2, 18) AS INTEGER), 99999999 - CAST(substr(last_px, 20, 8) AS INTEGER)) END, '0'), '.') AS "lastPx", exec_type AS "execType", rtrim(rtrim(CASE substr(cum_qty, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(cum_qty, 2, 18) AS INTEGER), CAST(substr(cum_qty, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(cum_qty, 2, 18) AS INTEGER), 99999999 - CAST(substr(cum_qty, 20, 8) AS INTEGER)) END, '0'), '.') AS "cumQty", rtrim(rtrim(CASE substr(leaves_qty, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(leaves_qty, 2, 18) AS INTEGER), CAST(substr(leaves_qty, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(leaves_qty, 2, 18) AS INTEGER), 99999999 - CAST(substr(leaves_qty, 20, 8) AS INTEGER)) END, '0'), '.') AS "leavesQty", rtrim(rtrim(CASE substr(avg_px, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(avg_px, 2, 18) AS INTEGER), CAST(substr(avg_px, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(avg_px, 2, 18) AS INTEGER), 99999999 - CAST(substr(avg_px, 20, 8) AS INTEGER)) END, '0'), '.') AS "avgPx", last_mkt AS "lastMkt", last_capacity AS "lastCapacity", secondary_exec_id AS "secondaryExecId", rtrim(rtrim(CASE substr(day_order_qty, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(day_order_qty, 2, 18) AS INTEGER), CAST(substr(day_order_qty, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(day_order_qty, 2, 18) AS INTEGER), 99999999 - CAST(substr(day_order_qty, 20, 8) AS INTEGER)) END, '0'), '.') AS "dayOrderQty", rtrim(rtrim(CASE substr(day_cum_qty, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(day_cum_qty, 2, 18) AS INTEGER), CAST(substr(day_cum_qty, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(day_cum_qty, 2, 18) AS INTEGER), 99999999 - CAST(substr(day_cum_qty, 20, 8) AS INTEGER)) END, '0'), '.') AS "dayCumQty", rtrim(rtrim(CASE substr(day_avg_px, 1, 1) WHEN '1' THEN printf('%d.%08d', CAST(substr(day_avg_px, 2, 18) AS INTEGER), CAST(substr(day_avg_px, 20, 8) AS INTEGER)) WHEN '0' THEN printf('-%d.%08d', 999999999999999999 - CAST(substr(day_avg_px, 2, 18) AS INTEGER), 99999999 - CAST(substr(day_avg_px, 20, 8) AS INTEGER)) END, '0'), '.') AS "dayAvgPx", transact_time AS "transactTime", id AS "id", received_at AS "receivedAt", status AS "status", status_reason AS "statusReason", requested_by AS "requestedBy", approved_by AS "approvedBy", status_at AS "statusAt" FROM executions;
COMMIT;

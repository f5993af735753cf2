//! Everyday English words, so that what people type is cut into sensible pieces.

/// Frequent words, in no order.
pub(super) const WORDS: &str = "\
the and that have with this from they will would there their what about which when make can like time just know take \
people into year your good some could them see other than then now look only come its over think also back after use two \
how our work first well way even new want because any these give day most us is are was were be been has had do does did \
not no yes please thank hello hi sorry okay more less very too much many few all each every both same different next last \
before again always never often here where who why again under above below behind beside between near far close away toward \
through across along around inside outside upon against without within until while during since still already soon later \
today tomorrow morning evening night light dark bright sun moon star sky cloud rain snow wind storm fire water river lake \
sea island mountain hill valley forest garden flower grass leaf stone rock sand road street path bridge city town village \
house home hall kitchen bathroom bedroom office school shop station castle tower temple church farm field park square \
wall floor ceiling roof window door stair step corner edge middle top bottom side front end begin start stop finish \
walk run go move turn look find follow enter leave open shut push pull pick put place hold drop lift carry bring show tell \
say ask answer read write draw paint build break fix clean wash cook eat drink sleep wake sit stand jump climb fly swim \
dog cat bird fish horse cow sheep bear wolf fox rabbit mouse lion tiger dragon robot machine car train boat ship plane \
bicycle wheel key lock book paper pen letter word story song music game toy cup plate bowl bottle glass knife fork spoon \
bread apple orange cake tea coffee milk milk sugar salt meat egg cheese rice bag box basket bucket hat coat shoe shirt dress \
clock phone camera computer screen button table chair bed sofa desk shelf cabinet mirror carpet curtain candle lamp \
man woman child boy girl friend mother father brother sister king queen teacher doctor soldier artist farmer neighbour \
head face eye ear nose mouth hand arm leg foot heart hair body skin bone blood \
big small little large tiny huge tall short long wide narrow deep high low thin thick heavy round flat sharp soft hard \
warm cold hot cool dry wet old young fast slow quick quiet loud strong weak rich poor happy sad angry afraid brave kind \
calm tired hungry ready busy free full empty clean dirty beautiful pretty ugly strange simple plain great nice fine bad \
wooden metal golden silver ancient modern wild gentle cosy magic secret hidden lost broken painted colourful shiny \
one two three four five six seven eight nine ten hundred thousand half double metre metres centimetre degree degrees \
picture view scene world place room space map direction north south east west left right forward backward straight \
something anything nothing everything someone everyone somewhere maybe perhaps really almost enough together alone \
I you he she it we they me him her my his may might must shall should let get got keep need try help live love feel hear \
play learn change wait stay call meet pass wish hope dream believe remember forget imagine explore wander travel visit";
